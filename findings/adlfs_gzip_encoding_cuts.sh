#!/usr/bin/env bash
# adlfs 2026.8.0: a blob with Content-Encoding: gzip is read decompressed, up to its compressed size, and no further.
#
# A blob whose property Content-Encoding is gzip, as web exports and `gsutil -z`-like tools leave them, is decompressed
# by azure-storage-blob while it is downloaded. adlfs takes the size of the file from the blob's properties, which tell
# the compressed one, and its buffered file (the default cache) ends there: whoever reads to the end gets the first part
# of the decompressed text, cut in the middle of a row, and no error. The same blob without the property is read as it is
# stored, and so is every byte with cache_type="none".
#
# Here: Azurite 3.37.0 (npm), a CSV of 50,000 rows compressed by Python, uploaded by azure-storage-blob 12.31.1.
# Seen with adlfs 2026.8.0, fsspec 2026.9.0, azure-storage-blob 12.31.1 on Python 3.11:
#   rows in the file 50000
#   with the property: size told 360717, bytes read 360717, whole rows 23400
#   without the property: size told 360717, bytes read 360717, the compressed file as it is stored
# Fails if all rows are read, or an error is raised.
set -euo pipefail
folder=$(mktemp -d)
server=
finish() {
    if [ -n "$server" ]; then kill "$server" && wait "$server" || true; fi
    rm -rf "$folder"
}
trap finish EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check \
    'adlfs==2026.8.0' 'fsspec==2026.9.0' 'azure-storage-blob==12.31.1'
npm install --silent --no-audit --no-fund --prefix "$folder/node" azurite@3.37.0
port=$("$folder/env/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$folder/node/node_modules/.bin/azurite-blob" --blobHost 127.0.0.1 --blobPort "$port" --location "$folder/blobs" \
    --disableTelemetry --skipApiVersionCheck --silent >"$folder/azurite.log" 2>&1 &
server=$!
until (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    kill -0 "$server"
    sleep 0.2
done
cat >"$folder/read.py" <<'PROGRAM'
import gzip
import random
import sys

from adlfs import AzureBlobFileSystem
from azure.storage.blob import BlobServiceClient, ContentSettings

# The account and the key that Azurite documents for everybody.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
ACCOUNT = (
    f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={KEY};"
    f"BlobEndpoint=http://127.0.0.1:{sys.argv[1]}/devstoreaccount1;"
)
draw = random.Random(1)
text = "".join(f"{number},{draw.randrange(10**9)}\n" for number in range(50_000)).encode()
stored = gzip.compress(text, mtime=0)
container = BlobServiceClient.from_connection_string(ACCOUNT).create_container("exports")
container.upload_blob("with.csv", stored, content_settings=ContentSettings(content_encoding="gzip"))
container.upload_blob("without.csv.gz", stored)
store = AzureBlobFileSystem(connection_string=ACCOUNT)


def read(name: str) -> bytes:
    with store.open(f"exports/{name}", "rb") as file:
        return file.read()


cut, whole = read("with.csv"), read("without.csv.gz")
size = store.info("exports/with.csv")["size"]
rows = cut.count(b"\n")
print("rows in the file", text.count(b"\n"))
print(f"with the property: size told {size}, bytes read {len(cut)}, whole rows {rows}")
print(f"without the property: size told {len(stored)}, bytes read {len(whole)}, the compressed file as it is stored")
assert whole == stored
assert text.startswith(cut)
sys.exit(not (size == len(cut) == len(stored) and rows < 50_000))
PROGRAM
"$folder/env/bin/python" "$folder/read.py" "$port"

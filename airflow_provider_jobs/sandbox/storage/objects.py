"""A file as an object of Cloud Storage: https://cloud.google.com/storage/docs/json_api/v1/objects#resource."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import google_crc32c

from airflow_provider_jobs.sandbox.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

BLOCK_BYTES = 1 << 20
DIGESTS_KEPT = 4096  # of files that have not changed
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def resource(bucket: str, name: str, path: Path, url: str) -> dict[str, Any]:
    """Give an object; it reads the file for its digests, unless it knows them."""
    stat = path.stat()
    md5, crc32c = digests(path, stat.st_mtime_ns, stat.st_size)
    link = f"{url}/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
    moment = datetime.fromtimestamp(stat.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    generation = str(stat.st_mtime_ns // 1000)
    return {
        "kind": "storage#object",
        "id": f"{bucket}/{name}/{generation}",
        "selfLink": link,
        "mediaLink": f"{link.replace('/storage/', '/download/storage/', 1)}?alt=media",
        "name": name,
        "bucket": bucket,
        "generation": generation,
        "metageneration": "1",
        "contentType": mimetypes.guess_type(name)[0] or "application/octet-stream",
        "storageClass": "STANDARD",
        "size": str(stat.st_size),
        "md5Hash": md5,
        "crc32c": crc32c,
        "etag": generation,
        "timeCreated": moment,
        "updated": moment,
    }


@lru_cache(DIGESTS_KEPT)
def digests(path: Path, _changed_at: int, _size: int) -> tuple[str, str]:
    """Give MD5 and CRC32C of a file, in base64."""
    md5, crc32c = hashlib.md5(usedforsecurity=False), google_crc32c.Checksum()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            md5.update(block)
            crc32c.update(block)
    first, second = (base64.b64encode(each.digest()).decode() for each in (md5, crc32c))
    return first, second


def page_of(names: Iterable[str], asked: Mapping[str, str]) -> dict[str, list[str] | str]:
    """Give the objects and the prefixes of one page of a list, and the token of the next if there is one.

    Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list.

    :raises Refusal: 400, a page token that is not one.
    """
    prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
    found: dict[str, bool] = {}  # in order; whether it is a prefix
    for name in sorted(names):
        if name.startswith(prefix):
            head, ends, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            found[prefix + head + ends if ends else name] = bool(ends)
    try:
        after = base64.urlsafe_b64decode(asked.get("pageToken", "")).decode()
        most = min(max(1, int(asked.get("maxResults", 1000))), 1000)
    except ValueError as error:
        raise Refusal(400, "invalid", "Invalid pageToken or maxResults.") from error
    left = [each for each in found if each > after]
    page: dict[str, list[str] | str] = {
        "items": [each for each in left[:most] if not found[each]],
        "prefixes": [each for each in left[:most] if found[each]],
    }
    if len(left) > most:
        page["nextPageToken"] = base64.urlsafe_b64encode(left[most - 1].encode()).decode()
    return page


def span_of(text: str, size: int) -> tuple[int, int] | None:
    """Give the first byte that a ``Range`` header asks for, and the one behind the last; None: all are.

    :raises Refusal: 416, there is no such byte.
    """
    asked = RANGE.fullmatch(text.strip())
    if asked is None or asked[0] == "bytes=-":
        return None
    first, last = asked.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        message = "The requested range cannot be satisfied."
        headers = {"Content-Range": f"bytes */{size}"}
        raise Refusal(416, "requestedRangeNotSatisfiable", message, headers=headers)
    return start, end

"""How fast a file travels: this package, google-cloud-bigquery's `load_table_from_file`, and `curl -T`.

Over TLS, on loopback and through a proxy that is a link of 1 Gbit with a round trip of 0, 50 and 100 ms
(`slow_link.py`). The server throws the bytes away. Each run is a process of its own, and the three take
turns. A speed is the median of its runs; a ratio is the median of the rounds' ratios, which a machine that is
busy for a while does not spoil. Seconds are those of the upload alone, imports and login left out.

    python -m benchmarks.uploads [--mebibytes 512] [--runs 7]
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import ipaddress
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.side_by_side import HERE, round_ratio, server_process
from benchmarks.slow_link import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = ("ours", "google", "curl")
HOST = "127.0.0.1"
GIGABIT = 1e9 / 8
#: Rows of the table: a name, and the link; the window is more than the link ever fills.
LINKS = [("loopback", None)] + [
    (f"1 Gbit, {ms} ms", Shape(GIGABIT, ms / 1000, 64_000_000)) for ms in (0, 50, 100)
]
#: A link that lets one connection have 2 MB under way: 20 MB/s.
NARROW = Shape(GIGABIT, 0.1, 2_000_000)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for the addresses used here, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    addresses = [x509.IPAddress(ipaddress.ip_address(HOST))]
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@contextlib.contextmanager
def serving(certificate: Path, key: Path, shape: Shape | None = None) -> Iterator[str]:
    """Run the sink, and the link to it if there is one, in a process each; give the URL to send to."""
    with contextlib.ExitStack() as stack:
        program = "from upload_sink import Sink; from pathlib import Path"
        url = stack.enter_context(
            server_process(f"{program}; s = Sink({HOST!r}, Path({str(certificate)!r}), Path({str(key)!r}))")
        )
        if shape:
            url = stack.enter_context(
                server_process(f"from slow_link import *; s = SlowLink({url!r}, {shape!r})")
            )
        yield url


def measure(url: str, file: Path, certificate: Path, runs: int) -> dict[str, list[dict[str, float]]]:
    """Let the clients take turns."""
    figures: dict[str, list[dict[str, float]]] = {client: [] for client in CLIENTS}
    for run in range(runs + 1):
        for client in CLIENTS:
            figure = send(client, url, file, certificate)
            if run:  # the first warms the file cache up
                figures[client].append(figure)
    return figures


def send(client: str, url: str, file: Path, certificate: Path, at_a_time: int = 1) -> dict[str, float]:
    """Run one upload, or several at a time, and return its figures."""
    environment = {**os.environ, "REQUESTS_CA_BUNDLE": str(certificate)}
    command = [sys.executable, str(HERE / "upload_clients.py"), client, url, str(file), str(at_a_time)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    figure: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figure


def row(name: str, figures: dict[str, list[dict[str, float]]], megabytes: float) -> str:
    """Return a row of the table: MB/s of each, the ratios of ours, and the peaks of memory."""
    seconds = {client: [run["seconds"] for run in runs] for client, runs in figures.items()}
    peak = {client: max(run["peak_mb"] for run in runs) for client, runs in figures.items()}
    rates = " | ".join(f"{megabytes / statistics.median(seconds[client]):.0f}" for client in CLIENTS)
    ratios = " | ".join(f"{round_ratio(seconds[peer], seconds['ours']):.2f}" for peer in ("curl", "google"))
    return f"| {name} | {rates} | {ratios} | {peak['ours']:.0f} | {peak['google']:.0f} |"


def make_file(path: Path, mebibytes: int) -> Path:
    """Write a file of bytes that nothing on the way can compress."""
    with path.open("wb") as out:
        for _ in range(mebibytes):
            out.write(os.urandom(1024 * 1024))
    return path


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mebibytes", type=int, default=512)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    megabytes = arguments.mebibytes * 1.048576
    with tempfile.TemporaryDirectory() as name:
        certificate, key = make_certificate(Path(name))
        file = make_file(Path(name) / "file", arguments.mebibytes)
        print("| link | MB/s ours | google | curl | ours x curl | x google | peak MB ours | google |")
        print("|---|---|---|---|---|---|---|---|")
        for link, shape in LINKS:
            with serving(certificate, key, shape) as url:
                print(row(link, measure(url, file, certificate, arguments.runs), megabytes), flush=True)
        part = make_file(Path(name) / "part", max(1, arguments.mebibytes // 8))
        with serving(certificate, key, NARROW) as url:
            one = statistics.median(send("ours", url, part, certificate)["seconds"] for _ in range(3))
            four = statistics.median(send("ours", url, part, certificate, 4)["seconds"] for _ in range(3))
        print(f"\nFour files where one connection carries 20 MB/s: {4 * one / four:.1f} x one after another.")


if __name__ == "__main__":
    main()

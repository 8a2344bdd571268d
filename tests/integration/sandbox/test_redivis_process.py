"""What Redivis knows outlives the sandbox that knew it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import requests

from airflow_provider_jobs.sandbox import Sandbox
from tests.integration.sandbox.redivis_api import CSV, RedivisApi
from tests.integration.sandbox.upload_api import CHUNK, csv_of, kept

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = csv_of(2 * CHUNK + 5)


def test_restart(tmp_path: Path) -> None:
    """Datasets, versions, uploads, promises and half-filled sessions."""
    with Sandbox(tmp_path, token="a-token") as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        redivis = RedivisApi(sandbox, "acme")
        redivis.make_table()
        done = redivis.upload(CSV)
        redivis.post(f"{redivis.dataset}/versions/next/release")
        redivis.post(f"{redivis.dataset}/versions")
        coming = "tables/acme.sales:next.orders"
        temp = redivis.promise(len(CONTENT), "b.csv", resumable=True, table=coming)
        session = redivis.open_session(temp["url"], len(CONTENT))
        given = {"Content-Range": f"bytes 0-{CHUNK - 1}/*"}
        assert requests.put(session, data=CONTENT[:CHUNK], headers=given, timeout=10).status_code == 308
        original = redivis.create(coming, name="c.csv")
        redivis.session.close()
    with Sandbox(tmp_path, token="a-token", port=port) as sandbox:
        redivis = RedivisApi(sandbox, "acme")
        kept_upload = redivis.get(f"{redivis.table}/uploads/a_csv")
        assert (kept_upload["hash"], kept_upload["numRows"]) == (done["hash"], 3)
        assert redivis.get(redivis.dataset)["nextVersion"]["tag"] == "next"
        assert redivis.get(coming)["numRows"] == 3
        reply = requests.put(session, headers={"Content-Range": "bytes */*"}, timeout=10)
        assert kept(reply) == CHUNK
        given = {"Content-Range": f"bytes {CHUNK}-{len(CONTENT) - 1}/{len(CONTENT)}"}
        assert requests.put(session, data=CONTENT[CHUNK:], headers=given, timeout=10).status_code == 200
        ended = redivis.ended(redivis.create(coming, name="b.csv", tempUploadId=temp["id"]))
        assert ended["hash"] == hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
        given = {"Content-Range": f"bytes 0-{len(CSV) - 1}/{len(CSV)}"}
        assert redivis.call("PUT", original["uri"], data=CSV, headers=given).status_code == 200
        assert redivis.ended(original)["numRows"] == 3
        numbers = {redivis.create(coming, name=f"{name}.csv")["id"] for name in "de"}
        assert original["id"] not in numbers
        redivis.session.close()


def test_processing_goes_on_after_a_restart(tmp_path: Path) -> None:
    with Sandbox(tmp_path, token="a-token") as sandbox:
        redivis = RedivisApi(sandbox, "acme")
        redivis.make_table()
        redivis.fault(r"uploads\.run", action="hang", seconds=600)
        made = redivis.create(name="a.csv", tempUploadId=redivis.send_plain(CSV))
        redivis.session.close()
    with Sandbox(tmp_path, token="a-token") as sandbox:
        redivis = RedivisApi(sandbox, "acme")
        assert redivis.ended(made)["numRows"] == 3
        redivis.session.close()

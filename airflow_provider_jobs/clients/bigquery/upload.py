"""Load jobs whose bytes are sent with them, in one request or through a resumable session.

Source: https://cloud.google.com/bigquery/docs/reference/api-uploads
"""

from __future__ import annotations

import json
import secrets
from contextlib import closing
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.api import BigQueryApi
from airflow_provider_jobs.clients.bigquery.fields import typed
from airflow_provider_jobs.clients.bigquery.names import check_project
from airflow_provider_jobs.clients.bigquery.replies import parse_job, service_error
from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.http.origins import untrusted
from airflow_provider_jobs.core.upload.protocol import worth_resuming
from airflow_provider_jobs.core.upload.uploader import SESSIONS, Uploader
from airflow_provider_jobs.errors import JobsError, ProtocolError, SourceChanged, UploadExpired

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.core.sources.source import Media

#: Up to this many bytes a file travels in one request with its job.
MULTIPART_BYTES = 4 * 1024 * 1024


def in_one_request(media: Media) -> bool:
    """Return True if bytes are few enough to travel with their job."""
    return media.source.size is not None and media.source.size <= MULTIPART_BYTES


class BigQueryUploads(BigQueryApi):
    """The API, and load jobs whose bytes are sent with them."""

    # https://cloud.google.com/bigquery/docs/reference/api-uploads
    def upload_job(self, job: Mapping[str, Any], media: Media, project: str | None = None) -> dict[str, Any]:
        """Start a load job of the bytes that are sent with it: a Job resource with ``jobReference.jobId``.

        :raises ConflictError: the job id is taken.
        :raises SourceChanged: the bytes were changed while they were sent; there is no job.
        """
        project = check_project(project or self.project)
        job = {**job, "configuration": typed(job["configuration"])}
        if in_one_request(media):
            return self._multipart(project, job, media)
        return self._resumable(project, job, media)

    def _multipart(self, project: str, job: Mapping[str, Any], media: Media) -> dict[str, Any]:
        with closing(media.source.open()) as reader:
            content = b"".join(iter(lambda: reader.read(MULTIPART_BYTES), b""))
        media.source.check()
        if len(content) != media.source.size:
            raise SourceChanged(f"{media.source.name} is {len(content)} bytes long, not {media.source.size}")
        boundary = secrets.token_hex(16)
        head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(job)}\r\n"
            f"--{boundary}\r\nContent-Type: */*\r\n\r\n"
        )
        request = Request(
            "POST",
            self._upload_url(project),
            {"uploadType": "multipart"},
            headers={"Content-Type": f"multipart/related; boundary={boundary}"},
            content=b"".join((head.encode(), content, f"\r\n--{boundary}--\r\n".encode())),
        )
        if media.on_progress:
            media.on_progress(0, None)
        made = self._transport.call(request, parse_job)
        if media.on_progress:
            media.on_progress(len(content), len(content))
        return made

    def _resumable(self, project: str, job: Mapping[str, Any], media: Media) -> dict[str, Any]:
        fingerprint = f"{job['jobReference']['jobId']}:{media.source.fingerprint}"
        for _ in range(SESSIONS):
            known = media.memory.recall(fingerprint)
            if known and not self._origins.take_token(known):  # the connection had another address then
                known = None
            url = known or self._start(project, job, media.source.size)
            if not known:
                media.memory.remember(fingerprint, url)
            try:
                reply = Uploader(self._transport, url, media).send(service_error, resume=known is not None)
            except JobsError as error:
                if not worth_resuming(error):
                    media.memory.forget()
                if not isinstance(error, UploadExpired):
                    raise
                # It may have made the job, and the reply was lost.
                if made := self.find_job({**job["jobReference"], "projectId": project}):
                    return made
                continue
            media.memory.forget()
            return parse_job(reply)
        name = media.source.name
        raise UploadExpired(f"{SESSIONS} upload sessions of {name} expired at BigQuery, one after another")

    def _start(self, project: str, job: Mapping[str, Any], size: int | None) -> str:
        headers = {"X-Upload-Content-Type": "*/*"}
        if size is not None:
            headers["X-Upload-Content-Length"] = str(size)
        params = {"uploadType": "resumable"}
        request = Request("POST", self._upload_url(project), params, body=job, headers=headers)
        return self._transport.call(request, self._session_url)

    def _session_url(self, reply: Reply) -> str:
        """Return where a session takes the bytes, and the token with them."""
        if not reply.good:
            raise service_error(reply)
        url = reply.headers.get("Location")
        if not url:
            raise ProtocolError("the upload was accepted without a session to send it to")
        if not self._origins.take_token(url):
            advice = "If it is right, set api_endpoint, or universe_domain, in the connection"
            raise untrusted(self._endpoint, url, "the upload session", advice)
        return url

    def _upload_url(self, project: str) -> str:
        return f"{self._endpoint}/upload/bigquery/v2{self._path(project, 'jobs')}"

"""Sending bytes to Redivis: to a temporary upload, or in the original flow to an upload that exists.

Sources: https://docs.redivis.com/api/rest-api/tables/createtempuploads and
https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.redivis.names import upload_uri
from airflow_provider_jobs.clients.redivis.replies import parse_json, service_error
from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.http.origins import Origins, host_of, untrusted
from airflow_provider_jobs.core.upload.body import WholeBody
from airflow_provider_jobs.core.upload.protocol import worth_resuming
from airflow_provider_jobs.core.upload.uploader import PATIENCE, SESSIONS, Uploader
from airflow_provider_jobs.errors import (
    AuthenticationError,
    JobsError,
    ProtocolError,
    ServiceError,
    UploadExpired,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.clients.redivis.names import TableReference
    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.core.sources.source import Media

#: From this many bytes on a file is sent through a session, which can be resumed.
SESSION_BYTES = 32 * 1024 * 1024
#: What a storage may answer that wants a token.
_REFUSED = frozenset({401, 403})
#: Who refuses, in a message.
_STORAGE = "the storage behind Redivis"


@dataclass(frozen=True, slots=True)
class TemporaryUpload:
    """Where to send bytes before there is an upload.

    :param url: An address that lets anybody write: never shown.
    :param resumable: True if the address is a session's, which can be asked how far it is, or begins one.
    """

    id: str
    url: str = field(repr=False)
    resumable: bool = False


class Transfers:
    """Sends the bytes of one client's uploads.

    :param base: The API's address.
    :param storage_token: Send the token to storage on other hosts too; else it goes to the API's own alone,
        whatever they answer.
    """

    def __init__(self, transport: Transport, base: str, *, storage_token: bool = False) -> None:
        self._transport = transport
        self._base = base
        self._storage_token = storage_token
        self._origins = Origins((base,))

    def send(
        self, table: TableReference, name: str, media: Media, session_bytes: int = SESSION_BYTES
    ) -> TemporaryUpload:
        """Send everything to a temporary upload and return it; an earlier attempt's session is resumed.

        :raises UploadExpired: one session after another was gone.
        :raises SourceChanged: the bytes were changed meanwhile.
        """
        # Another table or name is another upload, even of the same bytes.
        fingerprint = f"{table}:{name}:{media.source.fingerprint}"
        for _ in range(SESSIONS):
            known = self._recall(media, fingerprint)
            upload = known or self._begin(table, name, media.source.size or 0, session_bytes)
            if not upload.resumable:
                self._put(upload, media)
                return upload
            if not known:
                media.memory.remember(fingerprint, json.dumps([upload.id, upload.url]))
            try:
                uploader = Uploader(
                    self._transport, upload.url, media, authorized=self._takes_token(upload.url)
                )
                uploader.send(self._refusal(upload.url), resume=known is not None)
            except JobsError as error:
                if not worth_resuming(error):
                    media.memory.forget()
                if isinstance(error, UploadExpired):
                    continue
                raise
            return upload
        raise UploadExpired(f"{SESSIONS} upload sessions of {name} expired at Redivis, one after another")

    def send_original(self, path: str, media: Media, *, resume: bool) -> None:
        """Send everything to an upload that exists already and has no bytes.

        :param path: The upload's path, below the API's address.
        :param resume: Ask first how far an earlier attempt came.
        """
        uploader = Uploader(self._transport, self._base + upload_uri(path), media)
        uploader.send(self._refusal(self._base), resume=resume)

    def _begin(self, table: TableReference, name: str, size: int, session_bytes: int) -> TemporaryUpload:
        wanted = {"size": size, "name": name, "resumable": size >= session_bytes}
        request = Request("POST", f"{self._base}{table.path}/tempUploads", body={"tempUploads": [wanted]})
        upload = self._transport.call(request, self._temporary_upload)
        return self._start(upload, size) if upload.resumable else upload

    def _start(self, upload: TemporaryUpload, size: int) -> TemporaryUpload:
        headers = {"x-goog-resumable": "start", "x-upload-content-length": str(size)}
        authorized = self._takes_token(upload.url)
        request = Request("POST", upload.url, headers=headers, content=b"", authorized=authorized)

        def session_url(reply: Reply) -> str:
            self._check_good(reply, upload.url)
            return self._checked(reply.headers.get("Location"), upload.url)

        return replace(upload, url=self._transport.call(request, session_url))

    def _put(self, upload: TemporaryUpload, media: Media) -> None:
        """Send everything in one request; whatever interrupts it, the next one begins at byte 0."""

        def step() -> None:
            with closing(media.source.open()) as reader:
                content, authorized = WholeBody(reader, media), self._takes_token(upload.url)
                request = Request("PUT", upload.url, content=content, authorized=authorized)
                self._check_good(self._transport.once(request), upload.url)

        PATIENCE.call(step, timing=self._transport.timing)

    def _takes_token(self, url: str) -> bool:
        """Return True if the token goes to a storage address: what it answers changes nothing."""
        return self._storage_token or self._origins.take_token(url)

    def _recall(self, media: Media, fingerprint: str) -> TemporaryUpload | None:
        if kept := media.memory.recall(fingerprint):
            identity, session = json.loads(kept)
            if self._origins.take_bytes(session):  # else the connection had another address then
                return TemporaryUpload(identity, session, resumable=True)
        return None

    def _temporary_upload(self, reply: Reply) -> TemporaryUpload:
        try:
            (result,) = parse_json(reply)["results"]
            url = self._checked(result["url"], self._base)
            return TemporaryUpload(str(result["id"]), url, bool(result.get("resumable")))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ProtocolError("the reply holds no temporary upload") from None

    def _checked(self, url: Any, named_by: str) -> str:
        """Return an address that a reply names if bytes may go there."""
        if not isinstance(url, str) or not url:
            raise ProtocolError("the upload was accepted without an address to send it to")
        if not self._origins.take_bytes(url):
            advice = "Bytes travel over https, or from this machine to itself"
            raise untrusted(named_by, url, "the storage's address", advice)
        return url

    def _check_good(self, reply: Reply, url: str) -> None:
        if not reply.good:
            raise self._error(reply, url)

    def _refusal(self, url: str) -> Callable[[Reply], ServiceError]:
        """Return what makes an error of a reply of a session."""

        def refusal(reply: Reply) -> ServiceError:
            error = self._error(reply, url)
            if isinstance(error, AuthenticationError):
                raise error  # a token of Redivis cannot be renewed, so asking again changes nothing
            return error

        return refusal

    def _error(self, reply: Reply, url: str) -> ServiceError:
        """Return the error of a refusal; it names both hosts if it may be for want of the token."""
        service = _STORAGE
        if reply.status in _REFUSED and not self._takes_token(url):
            service += (
                f", {host_of(url)}, which gets the token of {host_of(self._base)} only if the connection "
                "sets storage_token,"
            )
        return service_error(reply, service)

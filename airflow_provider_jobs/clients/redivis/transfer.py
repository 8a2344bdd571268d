"""Sending bytes to Redivis: to a temporary upload, or in the original flow to an upload that exists.

Sources: https://docs.redivis.com/api/rest-api/tables/createtempuploads and
https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from airflow_provider_jobs.clients.redivis.names import upload_uri
from airflow_provider_jobs.clients.redivis.replies import check_good, parse_json, service_error
from airflow_provider_jobs.core.http.messages import Reply, Request, check_url
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

T = TypeVar("T")

#: From this many bytes on a file is sent through a session, which can be resumed.
SESSION_BYTES = 32 * 1024 * 1024
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
    :param storage_token: Send the token to storage hosts unasked; else only after they refused without it.
    """

    def __init__(self, transport: Transport, base: str, *, storage_token: bool = False) -> None:
        self._transport = transport
        self._base = base
        self._always = storage_token
        self._trusted = {_origin(base)}

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
            known = _recall(media, fingerprint)
            upload = known or self._begin(table, name, media.source.size or 0, session_bytes)
            if not upload.resumable:
                self._on_storage(upload.url, partial(self._put, upload, media))
                return upload
            if not known:
                media.memory.remember(fingerprint, json.dumps([upload.id, upload.url]))
            try:
                self._send_to(upload.url, media, resume=known is not None)
            except JobsError as error:
                if not worth_resuming(error):
                    media.memory.forget()
                if isinstance(error, UploadExpired):
                    continue
                raise
            return upload
        raise UploadExpired(f"{SESSIONS} upload sessions expired one after another")

    def send_original(self, path: str, media: Media, *, resume: bool) -> None:
        """Send everything to an upload that exists already and has no bytes.

        :param path: The upload's path, below the API's address.
        :param resume: Ask first how far an earlier attempt came.
        """
        Uploader(self._transport, self._base + upload_uri(path), media).send(_refusal, resume=resume)

    def _begin(self, table: TableReference, name: str, size: int, session_bytes: int) -> TemporaryUpload:
        wanted = {"size": size, "name": name, "resumable": size >= session_bytes}
        request = Request("POST", f"{self._base}{table.path}/tempUploads", body={"tempUploads": [wanted]})
        upload = self._transport.call(request, _temporary_upload)
        if not upload.resumable:
            return upload
        return self._on_storage(upload.url, partial(self._start, upload, size))

    def _start(self, upload: TemporaryUpload, size: int, authorized: bool) -> TemporaryUpload:
        headers = {"x-goog-resumable": "start", "x-upload-content-length": str(size)}
        request = Request("POST", upload.url, headers=headers, content=b"", authorized=authorized)
        session = self._transport.call(request, _session_url)
        return replace(upload, url=session)

    def _put(self, upload: TemporaryUpload, media: Media, authorized: bool) -> None:
        """Send everything in one request; whatever interrupts it, the next one begins at byte 0."""

        def step() -> None:
            with closing(media.source.open()) as reader:
                content = WholeBody(reader, media)
                request = Request("PUT", upload.url, content=content, authorized=authorized)
                check_good(self._transport.once(request), _STORAGE)

        PATIENCE.call(step, timing=self._transport.timing)

    def _send_to(self, session: str, media: Media, *, resume: bool) -> None:
        tries = count()

        def send(authorized: bool) -> None:
            uploader = Uploader(self._transport, session, media, authorized=authorized)
            uploader.send(_refusal, resume=next(tries) > 0 or resume)

        self._on_storage(session, send)

    def _on_storage(self, url: str, step: Callable[[bool], T]) -> T:
        """Take a step at a storage address, with the token only if its host is known to want it."""
        origin = _origin(url)
        if not self._always and origin not in self._trusted:
            try:
                return step(False)  # noqa: FBT003 - the step's one parameter
            except ServiceError as error:
                if error.status not in {401, 403}:
                    raise
        done = step(True)  # noqa: FBT003
        self._trusted.add(origin)
        return done


def _recall(media: Media, fingerprint: str) -> TemporaryUpload | None:
    if kept := media.memory.recall(fingerprint):
        identity, session = json.loads(kept)
        return TemporaryUpload(identity, session, resumable=True)
    return None


def _temporary_upload(reply: Reply) -> TemporaryUpload:
    try:
        (result,) = parse_json(reply)["results"]
        return TemporaryUpload(str(result["id"]), _checked(result["url"]), bool(result.get("resumable")))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ProtocolError("the reply holds no temporary upload") from None


def _session_url(reply: Reply) -> str:
    check_good(reply, _STORAGE)
    return _checked(reply.headers.get("Location"))


def _checked(url: Any) -> str:
    if not isinstance(url, str) or not url:
        raise ProtocolError("the upload was accepted without an address to send it to")
    return check_url(url, "the storage's address")


def _refusal(reply: Reply) -> ServiceError:
    error = service_error(reply, _STORAGE)
    if isinstance(error, AuthenticationError):
        raise error  # a token of Redivis cannot be renewed, so asking again changes nothing
    return error


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()

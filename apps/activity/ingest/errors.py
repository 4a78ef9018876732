"""What the door refuses, each with its HTTP status and google.rpc code (OTLP/HTTP, section Failures)."""

from __future__ import annotations

from collections.abc import Mapping


class IngestError(Exception):
    """A refusal; nothing of the request was stored."""

    status = 400
    rpc_code = 3  # INVALID_ARGUMENT

    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class Malformed(IngestError):
    """The body is not what its content type says."""


class Refused(Malformed):
    """It was understood, and is not to be taken: `code` and `fields` say why to a program."""

    def __init__(self, message: str, code: str, fields: Mapping[str, str]) -> None:
        super().__init__(message)
        self.code, self.fields = code, dict(fields)


class Unauthenticated(IngestError):
    status, rpc_code = 401, 16


class Forbidden(IngestError):
    status, rpc_code = 403, 7


class NoSuchPath(IngestError):
    status, rpc_code = 404, 5


class WrongMethod(IngestError):
    status, rpc_code = 405, 12


class BodyTooLarge(IngestError):
    status, rpc_code = 413, 8


class UnsupportedMedia(IngestError):
    status, rpc_code = 415, 3


class Overloaded(IngestError):
    """More is waiting than may wait; the exporter tries again."""

    status, rpc_code = 429, 8


class NotDurable(IngestError):
    """The database did not take it; the exporter tries again."""

    status, rpc_code = 503, 14


class Unread(IngestError):
    """A fault of ours met the body. Sending it again would meet it again: no exporter tries 500 a second time."""

    status, rpc_code = 500, 13

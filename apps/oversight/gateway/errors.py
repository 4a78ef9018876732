"""What a caller is told when nothing was carried.

Refused: the request is not one, or nobody known sent it; an HTTP status and a JSON-RPC error.
Undecided: Chancery did not answer; a call is then not carried.
Unanswered: the server did not answer; a JSON-RPC error under 200, so that the client's session lives on.
"""

from __future__ import annotations

from typing import Any

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601
HEADER_MISMATCH = -32020
NOT_ADMITTED, SERVER_SILENT, SERVER_BUSY, UNDECIDED, NO_SESSION = -32010, -32011, -32012, -32013, -32014


class GatewayError(Exception):
    """`code` is JSON-RPC's, `status` HTTP's, `reason` ours: a dotted word."""

    status = 200
    code = INVALID_REQUEST
    reason = "gateway.refused"

    def __init__(self, message: str, *, reason: str = "", code: int = 0, status: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.reason
        self.code = code or self.code
        self.status = status or self.status
        self.message_id: Any = None


class Refused(GatewayError):
    status, code, reason = 400, INVALID_REQUEST, "gateway.not_understood"


class NotAdmitted(GatewayError):
    status, code, reason = 403, NOT_ADMITTED, "gateway.not_admitted"


class Undecided(GatewayError):
    status, code, reason = 503, UNDECIDED, "gateway.undecided"


class Unanswered(GatewayError):
    code, reason = SERVER_SILENT, "gateway.server_silent"


class Busy(GatewayError):
    code, reason = SERVER_BUSY, "gateway.server_busy"

"""Session ids of the older era, bound to who began the session.

The server's own id goes to the client with a signature over it, the server's name and the caller's key: nobody goes on
with a session of somebody else, and none has to be remembered here, so that a killed gateway ends no session.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode

MARK = "."


def signed(session: str, key: str, server: str, caller: str) -> str:
    """What the client is given for the server's id."""
    return f"{session}{MARK}{_mac(session, key, server, caller)}"


def opened(told: str, key: str, server: str, caller: str) -> str | None:
    """The server's own id; None where it is not this caller's here."""
    session, _, mac = told.rpartition(MARK)
    good = hmac.compare_digest(mac.encode(), _mac(session, key, server, caller).encode())
    return session if session and good else None


def _mac(session: str, key: str, server: str, caller: str) -> str:
    text = "\0".join((session, server, caller)).encode()
    return urlsafe_b64encode(hmac.digest(key.encode(), text, "sha256")[:18]).decode()

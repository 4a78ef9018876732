"""One tree of errors for everything a caller can get wrong or run into.

    DomainError            status  what the caller should do
    ├── InvalidInput         400   correct the named fields
    ├── NotSignedIn          401   present a credential
    ├── NotPermitted         403   ask somebody with the role named
    ├── NotFound             404   nothing there, or nothing this actor may see
    ├── WrongMethod          405   open or send it as its pages do
    ├── Conflict             409   the state of the thing forbids it; the message says what to do first
    ├── StaleWrite           412   reload, look at what changed, send again
    ├── PreconditionMissing  428   send If-Match
    ├── TooLarge             413   send less
    ├── TooMany              429   wait (`retry_after_s`)
    └── Unavailable          503   wait (`retry_after_s`); nothing was stored

Services raise them; REST renders them as RFC 9457 problem details, pages as words. `code` is a stable
dotted name, `fields` maps a field to what was expected of it.
"""

from collections.abc import Mapping


class DomainError(Exception):
    """Something the caller can read and act on: a code, a sentence, fields, an HTTP status."""

    status = 400
    default_code = "invalid"

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        fields: Mapping[str, str] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.fields = dict(fields or {})
        self.retry_after_s = retry_after_s

    @property
    def title(self) -> str:
        return TITLES[self.status]


class InvalidInput(DomainError):
    status, default_code = 400, "input.invalid"


class NotSignedIn(DomainError):
    status, default_code = 401, "auth.required"


class NotPermitted(DomainError):
    status, default_code = 403, "auth.not_permitted"


class NotFound(DomainError):
    status, default_code = 404, "not_found"


class WrongMethod(DomainError):
    status, default_code = 405, "method_not_allowed"


class Conflict(DomainError):
    status, default_code = 409, "conflict"


class StaleWrite(DomainError):
    status, default_code = 412, "write.stale"


class PreconditionMissing(DomainError):
    status, default_code = 428, "write.if_match_required"


class TooLarge(DomainError):
    status, default_code = 413, "input.too_large"


class TooMany(DomainError):
    status, default_code = 429, "rate.exceeded"


class Unavailable(DomainError):
    status, default_code = 503, "unavailable"


def require_reason(reason: str, instruction: str) -> None:
    """Raise InvalidInput where an act that needs a reason is given none; `instruction` says what to write."""
    if not reason.strip():
        raise InvalidInput("A reason is needed.", fields={"reason": instruction})


TITLES = {
    400: "The request is not as expected",
    401: "Sign in first",
    403: "Not permitted",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Not in this state",
    412: "Somebody changed it meanwhile",
    413: "Too large",
    415: "Media type not supported",
    428: "If-Match is needed",
    429: "Too many requests",
    500: "Something failed on our side",
    503: "Not available just now",
}

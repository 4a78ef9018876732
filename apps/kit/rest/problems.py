"""Errors as RFC 9457 problem details: the only form in which REST refuses anything.

{"type": "urn:chancery:problem:agents.gate_refused", "title": "Not in this state", "status": 409,
 "detail": "...", "code": "agents.gate_refused", "fields": {"owner": "..."}, "request_id": "..."}
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from apps.kit.errors import TITLES, DomainError, InvalidInput, NotFound, NotPermitted, NotSignedIn
from apps.kit.foreign import as_known
from apps.kit.request_id import current_request_id

MEDIA_TYPE = "application/problem+json"


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """The REST framework's exception handler; None lets an unforeseen error become a 500."""
    known = as_domain_error(error)
    if known is None:
        return None
    set_rollback()
    response = Response(problem(known), status=known.status, content_type=MEDIA_TYPE)
    if known.retry_after_s is not None:
        response["Retry-After"] = str(known.retry_after_s)
    if known.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="chancery"'
    return response


def problem(error: DomainError) -> dict[str, Any]:
    """The body; `fields` only where a field is to be corrected."""
    body = {
        "type": f"urn:chancery:problem:{error.code}",
        "title": TITLES.get(error.status, "Refused"),
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "request_id": current_request_id(),
    }
    return body | ({"fields": error.fields} if error.fields else {})


def as_domain_error(error: Exception) -> DomainError | None:
    """Foreign exceptions in our own tree; None for what nobody foresaw."""
    if (known := as_known(error)) is not None:
        return known
    if isinstance(error, Http404):
        return NotFound("There is nothing here, or nothing you may see.")
    if isinstance(error, (PermissionDenied, exceptions.PermissionDenied)):
        return NotPermitted(str(getattr(error, "detail", "")) or "You may not do this.")
    if isinstance(error, exceptions.NotAuthenticated):
        return NotSignedIn("Present an API key, or sign in.")
    if isinstance(error, exceptions.ValidationError):
        return InvalidInput("Some fields are not as expected.", fields=flatten(error.detail))
    if isinstance(error, exceptions.APIException):
        return _from_framework(error)
    return None


def flatten(detail: Any, path: str = "") -> dict[str, str]:
    """A nested validation detail as one mapping: {"owner": "...", "controls[0].result": "..."}."""
    if isinstance(detail, dict):
        pairs = ((f"{path}.{key}" if path else str(key), item) for key, item in detail.items())
    elif isinstance(detail, list) and any(isinstance(item, (dict, list)) for item in detail):
        pairs = ((f"{path}[{index}]", item) for index, item in enumerate(detail))
    else:
        sentences = detail if isinstance(detail, list) else [detail]
        return {path or "non_field_errors": " ".join(str(item) for item in sentences)}
    return {name: text for key, item in pairs for name, text in flatten(item, key).items()}


def _from_framework(error: exceptions.APIException) -> DomainError:
    known = DomainError(str(error.detail), code=str(error.default_code))
    known.status = error.status_code
    wait = getattr(error, "wait", None)
    known.retry_after_s = int(wait) if wait else None
    return known

"""The theme a person chose, kept in a cookie that the server reads: the first paint is already right."""

from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

COOKIE: Final = "chancery_theme"
KEYS_COOKIE: Final = "chancery_keys"
NEXT: Final = {"": "light", "light": "dark", "dark": ""}
_YEAR_S: Final = 365 * 86_400


def chosen_theme(request: HttpRequest) -> str:
    """ "light", "dark", or "" for what the system says."""
    theme = request.COOKIES.get(COOKIE, "")
    return theme if theme in NEXT else ""


def single_keys(request: HttpRequest) -> bool:
    """Whether single-key shortcuts are on (WCAG 2.1.4 asks that they can be turned off)."""
    return request.COOKIES.get(KEYS_COOKIE, "on") != "off"


def remember(response: HttpResponse, cookie: str, value: str) -> None:
    """Keep a choice of the person for a year; an empty one is forgotten."""
    if not value:
        response.delete_cookie(cookie, samesite="Lax")
        return
    secure = settings.SESSION_COOKIE_SECURE
    response.set_cookie(cookie, value, max_age=_YEAR_S, secure=secure, httponly=True, samesite="Lax")

"""The frame of a page shows only what exists and what the actor may open."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.test import RequestFactory

from apps.identity.access import Access
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.ui.marks import icon_names
from config.shell import NAVIGATION, Entry, Link, Shell, current_mark, shell


def asked(path: str = "/", actor: Principal | None = None, **cookies: str) -> HttpRequest:
    request = RequestFactory().get(path)
    request.user = AnonymousUser()
    request.COOKIES |= cookies
    request.actor = actor
    return request


def principal(*permissions: str) -> Principal:
    """Somebody with these permissions everywhere, never saved."""
    actor = Principal(kind=Principal.Kind.HUMAN, name="Ines Okafor")
    actor._access = Access(frozenset(permissions))
    return actor


def shown(request: HttpRequest) -> set[str]:
    return {link.entry.url_name for section in Shell(request).sections for link in section.links}


@pytest.mark.parametrize(
    ("href", "path", "mark"),
    [
        ("/agents/", "/agents/", "page"),
        ("/agents/", "/agents/1/edit", "true"),
        ("/agents/", "/agents-old/", ""),
        ("/", "/agents/", ""),
        ("/", "/", "page"),
    ],
)
def test_the_current_page_is_marked(href: str, path: str, mark: str) -> None:
    assert current_mark(href, path) == mark


def test_every_entry_has_an_icon_and_a_known_permission() -> None:
    entries = [entry for _, entries in NAVIGATION for entry in entries]
    assert {entry.icon for entry in entries} <= set(icon_names())
    assert {entry.permission for entry in entries} - {""} <= set(Permission.values)


def test_nobody_sees_no_navigation() -> None:
    assert Shell(asked()).sections == []
    assert Shell(asked()).template == "auth_base.html"


def test_pages_that_may_not_be_opened_are_not_shown() -> None:
    everything = principal(*Permission.values)
    assert "kit" not in shown(asked(actor=everything))
    assert "identity:ledger" not in shown(asked(actor=principal(Permission.AGENTS_VIEW)))


def test_a_page_nobody_built_yet_is_left_out(settings) -> None:
    settings.ROOT_URLCONF = "apps.kit.ui.urls"
    staff = asked("/kit/", principal(*Permission.values))
    staff.user.is_staff = True
    assert shown(staff) == {"kit"}


@pytest.mark.parametrize(
    ("cookie", "theme", "following"), [("dark", "dark", ""), ("light", "light", "dark"), ("x", "", "light")]
)
def test_the_theme_comes_from_the_cookie(cookie: str, theme: str, following: str) -> None:
    frame = Shell(asked(chancery_theme=cookie))
    assert (frame.theme, frame.next_theme) == (theme, following)


def test_the_server_writes_the_theme_into_the_page() -> None:
    request = asked(chancery_theme="dark")
    assert '<html lang="en" data-theme="dark">' in render_to_string("404.html", shell(request), request)
    assert '<html lang="en">' in render_to_string("404.html", shell(asked()), asked())


def counting(answers: list[int]) -> Link:
    """A link whose count takes the next of `answers` each time it is really asked."""
    entry = Entry("Findings", "kit", "findings", count=lambda actor: answers.pop(0))
    return Link(entry, "/findings/", "", principal())


def test_a_count_is_asked_once_in_ten_seconds(settings) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "shell"}
    }
    first = counting([7, 8])
    again = Link(first.entry, "/findings/", "", first.actor)
    assert (first.count, again.count) == (7, 7)
    assert counting([9]).count == 9  # somebody else's count is their own


def test_a_page_is_drawn_without_counts_while_the_cache_is_away(settings) -> None:
    nowhere = "redis://127.0.0.1:1/0"
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": nowhere}
    }
    assert counting([7]).count is None


def test_single_keys_can_be_turned_off() -> None:
    assert Shell(asked()).keys
    assert not Shell(asked(chancery_keys="off")).keys

"""Somebody leaves: roles withdrawn, the account closed at once, passwords reset; and the own password changed."""

from __future__ import annotations

import re

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from apps.identity.models import ApiKey, LedgerEntry, Person, Principal, Team
from apps.identity.roles import Role
from tests import factories

pytestmark = pytest.mark.django_db


def signed_in(principal: Principal) -> Client:
    client = Client()
    client.force_login(principal.person, backend="apps.identity.auth.PersonBackend")
    return client


@pytest.fixture
def administrator() -> Principal:
    return factories.make_person(Role.ADMINISTRATOR)


@pytest.fixture
def leaver() -> Principal:
    return factories.make_person(Role.OPERATOR, password=factories.PASSWORD)


def told() -> list[str]:
    return list(LedgerEntry.objects.order_by("pk").values_list("action", flat=True))


def test_closing_an_account_ends_its_sessions_and_keys_at_once(
    administrator: Principal, leaver: Principal
) -> None:
    theirs, admin = signed_in(leaver), signed_in(administrator)
    rest = factories.client_of(leaver, "read")
    assert (theirs.get("/").status_code, rest.get("/api/v1/me").status_code) == (200, 200)
    assert admin.post(f"/people/{leaver.pk}/close/", {"reason": ""}).status_code == 400
    assert admin.post(f"/people/{leaver.pk}/close/", {"reason": "Left the company."}).status_code == 302
    assert (theirs.get("/").status_code, rest.get("/api/v1/me").status_code) == (302, 401)
    assert Session.objects.count() == 1, "only the administrator's own is left"
    assert not ApiKey.objects.filter(principal=leaver, revoked_at=None).exists()
    assert told() == ["identity.api_key.revoked", "identity.principal.deactivated"]
    admin.post(f"/people/{leaver.pk}/open/", {"reason": "Came back."})
    answer = theirs.post("/login/", {"username": leaver.person.email, "password": factories.PASSWORD})
    assert answer.status_code == 302
    assert rest.get("/api/v1/me").status_code == 401, "keys stay revoked"


def test_the_last_administrator_stays_and_nobody_closes_themselves(administrator: Principal) -> None:
    rest = factories.client_of(administrator, "write", "read")
    other = factories.make_person(Role.ADMINISTRATOR)
    assert rest.post(f"/api/v1/people/{administrator.pk}/deactivate", {"reason": "x"}).json()["code"] == (
        "identity.person.self"
    )
    assert rest.post(f"/api/v1/people/{other.pk}/deactivate", {"reason": "Left."}).status_code == 200
    role = administrator.roles.get()
    kept = rest.post(f"/api/v1/people/{administrator.pk}/roles/{role.pk}/withdraw", {"reason": "x"})
    assert kept.json()["code"] == "identity.role.last_administrator"


def test_a_withdrawn_role_opens_nothing_more(administrator: Principal, leaver: Principal) -> None:
    theirs = signed_in(leaver)
    assert theirs.get("/findings/").status_code == 200
    role = leaver.roles.get()
    url = f"/people/{leaver.pk}/roles/{role.pk}/withdraw/"
    assert signed_in(leaver).post(url, {"reason": "x"}).status_code == 403
    assert signed_in(administrator).post(url, {"reason": "Moved to another team."}).status_code == 302
    assert theirs.get("/findings/").status_code == 403
    assert told() == ["identity.role.withdrawn"]


def test_a_reset_password_is_shown_once_and_opens_only_its_own_change(
    administrator: Principal, leaver: Principal
) -> None:
    theirs = signed_in(leaver)
    page = signed_in(administrator).post(f"/people/{leaver.pk}/password/", {"reason": "Forgotten; rang me."})
    once = re.findall(r"<code>([\w-]{20})</code>", page.content.decode())[0]
    assert page.headers["cache-control"].startswith("max-age=0")
    assert theirs.get("/").status_code == 302
    fresh = Client()
    assert fresh.post("/login/", {"username": leaver.person.email, "password": once}).status_code == 302
    assert fresh.get("/agents/").headers["location"] == "/password/"
    assert fresh.get("/api/v1/agents").json()["code"] == "auth.password_change_needed"
    short = fresh.post("/password/", {"current": once, "new": "short", "again": "short"})
    assert short.status_code == 422
    new = "a-password-of-my-own"
    assert fresh.post("/password/", {"current": once, "new": new, "again": new}).status_code == 302
    assert fresh.get("/agents/").status_code == 200, "the session that changed it goes on"
    assert Person.objects.get(principal=leaver).check_password(new)
    assert told() == ["identity.password.reset", "identity.password.changed"]


def test_changing_a_password_needs_the_one_there_is_and_ends_other_sessions(leaver: Principal) -> None:
    one, other = signed_in(leaver), signed_in(leaver)
    new = "a-password-of-my-own"
    wrong = one.post("/password/", {"current": "not it at all", "new": new, "again": new})
    assert (wrong.status_code, "This is not your password now" in wrong.content.decode()) == (422, True)
    assert (
        one.post("/password/", {"current": factories.PASSWORD, "new": new, "again": new}).status_code == 302
    )
    assert (one.get("/").status_code, other.get("/").status_code) == (200, 302)


def test_teams_are_made_renamed_and_never_placed_under_themselves(administrator: Principal) -> None:
    admin = signed_in(administrator)
    assert admin.post("/teams/new/", {"name": "Claims"}).status_code == 302
    above = Team.objects.get()
    below = factories.make_team()
    admin.post(f"/teams/{below.pk}/", {"name": "Motor claims", "parent": above.pk})
    below.refresh_from_db()
    assert (below.name, below.parent) == ("Motor claims", above)
    ring = admin.post(f"/teams/{above.pk}/", {"name": "Claims", "parent": below.pk})
    assert ring.status_code == 422
    rest = factories.client_of(administrator, "write")
    assert rest.patch(f"/api/v1/teams/{above.pk}", {"name": "Motor claims"}).status_code == 409
    assert told() == ["identity.team.created", "identity.team.edited"]


def test_the_administration_site_has_no_sign_in_of_its_own() -> None:
    answer = Client().get("/admin/login/?next=/admin/")
    assert (answer.status_code, answer.headers["location"]) == (302, "/login/?next=/admin/")


def test_the_pages_of_people_open_for_an_administrator(administrator: Principal, leaver: Principal) -> None:
    admin = signed_in(administrator)
    for path in (f"/people/{leaver.pk}/", "/people/", "/password/", "/teams/new/"):
        assert admin.get(path).status_code == 200, path
    assert "Close account" in admin.get(f"/people/{leaver.pk}/").content.decode()
    assert "Close account" not in signed_in(leaver).get(f"/people/{leaver.pk}/").content.decode()

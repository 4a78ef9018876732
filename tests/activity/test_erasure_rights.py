"""Who may have a person's data erased, and what the reason may not say."""

from __future__ import annotations

import pytest

from apps.activity.erasure.services import Asked, request_erasure
from apps.identity.roles import Role
from apps.kit.errors import InvalidInput, NotPermitted
from tests import factories
from tests.activity.test_erasure import KNOWN_BY, URL

pytestmark = pytest.mark.django_db(transaction=True)


def test_only_whoever_may_everywhere_asks_and_the_reason_names_nobody() -> None:
    team = factories.make_team()
    for actor in (factories.make_person(Role.AUDITOR), factories.make_person(Role.COMPLIANCE, team)):
        with pytest.raises(NotPermitted):
            request_erasure(Asked(KNOWN_BY), actor=actor, reason="Asked for")
    officer = factories.make_person(Role.COMPLIANCE)
    erasure = request_erasure(
        Asked([*KNOWN_BY, "anna.kern@EXAMPLE.org", "0049-30-1234567"]), actor=officer, reason="Asked for"
    )
    assert len(erasure.digests) == 3
    viewer = factories.client_of(factories.make_person(Role.COMPLIANCE, team))
    assert viewer.get(f"{URL}/{erasure.pk}").status_code == 404
    for wrong, field in (
        (Asked(["abc"]), "identifiers"),
        (Asked([]), "identifiers"),
        (Asked(["12 -"]), "identifiers"),
    ):
        with pytest.raises(InvalidInput) as refused:
            request_erasure(wrong, actor=officer, reason="Asked for")
        assert field in refused.value.fields
    with pytest.raises(InvalidInput) as refused:
        request_erasure(Asked(KNOWN_BY), actor=officer, reason="For anna.kern@example.org")
    assert "reason" in refused.value.fields

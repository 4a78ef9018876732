"""Marks show shape and word together, and never let a name become markup."""

from datetime import UTC, datetime, timedelta

import pytest
from django.template import engines

from apps.kit.ui import marks

NOW = datetime(2026, 11, 23, 14, 32, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\" onload='x"


def drawn(source: str, **values: object) -> str:
    return engines["django"].from_string(source).render(values)


def words(markup: str) -> str:
    """What a screen reader says."""
    return " ".join(
        engines["django"].from_string("{{ markup|striptags }}").render({"markup": markup}).split()
    )


@pytest.mark.parametrize("name", marks.OUTCOMES)
def test_an_outcome_has_its_own_shape_and_word(name: str) -> None:
    pill = marks.outcome(name)
    assert f"#{name}" in pill
    assert words(pill) == marks.OUTCOMES[name]


@pytest.mark.parametrize(("count", "said"), [(1, "1 anomaly"), (5, "5 anomalies"), (1204, "1,204 anomalies")])
def test_a_counted_outcome_keeps_its_word_for_screen_readers(count: int, said: str) -> None:
    assert words(marks.outcome("anomaly", count=count)) == said


def test_an_unheard_of_outcome_is_shown_as_unknown() -> None:
    pill = marks.outcome("exploded")
    assert "out-unknown" in pill
    assert words(pill) == "exploded"


@pytest.mark.parametrize("name", marks.STATES)
def test_a_state_has_an_icon_in_the_sprite_and_a_word(name: str) -> None:
    assert f"st-{name}" in marks.icon_names()
    assert words(marks.state(name)) == marks.STATES[name]


@pytest.mark.parametrize(("level", "said"), [(1, "1 Low"), (4, "4 Critical"), (None, "Not assessed")])
def test_a_tier_is_number_and_word(level: int | None, said: str) -> None:
    assert words(marks.tier(level)) == said


@pytest.mark.parametrize(
    ("days", "icon", "said"),
    [
        (61, "seal", "61 days"),
        (30.5, "seal", "31 days"),
        (30, "seal-due", "30 days"),
        (0.5, "seal-due", "1 day"),
        (-0.5, "seal-broken", "Expired today"),
        (-6, "seal-broken", "Expired 6 days"),
    ],
)
def test_a_seal_shows_the_days_left(days: float, icon: str, said: str) -> None:
    seal = marks.seal(NOW + timedelta(days=days), now=NOW)
    assert f'#{icon}"' in seal
    assert words(seal) == said


def test_a_seal_tells_none_from_revoked() -> None:
    assert words(marks.seal(None)) == "None"
    assert words(marks.seal(NOW + timedelta(days=90), revoked=True, now=NOW)) == "Revoked"


@pytest.mark.parametrize("tripped", [True, "tripped"])
def test_a_tripped_breaker_is_solid_and_never_called_open(tripped: bool | str) -> None:
    assert "mk-stop" in marks.breaker(tripped)
    assert words(marks.breaker(tripped)) == "Tripped"
    assert words(marks.breaker("armed")) == "Armed"


def test_a_sign_depends_on_the_id_alone() -> None:
    assert marks.sign_path("AGT-0412") == marks.sign_path("AGT-0412")
    paths = {marks.sign_path(at) for at in range(2000)}
    assert len(paths) == 6**3


@pytest.mark.parametrize(
    "source",
    [
        '{% agent_link name "/a" 1 %}',
        "{% outcome name %}",
        "{% state name %}",
        "{% actor_icon name %}",
        '{% mark "key" name %}',
        "{% digest name 2 %}",
        '{% chip "Tier" name "/" %}',
        "{% button name title=name %}",
        '{% section name note=name href="/" link=name %}x{% endsection %}',
        '{% notice "bad" title=name %}x{% endnotice %}',
        "{% stop name %}x{% endstop %}",
        '{% empty_state "agents" name %}x{% endempty_state %}',
        '{% entry "human" None reason=name changes=changes %}{{ name }}{% endentry %}',
        '{% dialog "d" name action="/" verb=name reason_hint=name %}x{% enddialog %}',
        "{% fact name %}{{ name }}{% endfact %}",
        "{% figure name name name %}",
        '{% tabs name %}{% tab name "/" %}{% endtabs %}',
        "{% pick name name %}",
        '{% pager next="c" noun=name shown=name %}',
        "{% progress 1 2 name %}",
        "{% sparkline trend name %}",
    ],
)
def test_a_hostile_name_stays_text(source: str) -> None:
    html = drawn(source, name=HOSTILE, changes={HOSTILE: (HOSTILE, HOSTILE)}, trend=[1, 2])
    assert "<script>" not in html
    assert "onload='x" not in html


def test_every_icon_a_mark_can_draw_exists() -> None:
    known = set(marks.icon_names())
    assert set(marks.OUTCOMES) | set(marks.ACTORS) | {icon for icon, _, _ in marks.CHECKS.values()} <= known

"""What pages say of a few calls: no more than is known, and names as they are written."""

from datetime import UTC, datetime, timedelta

from apps.activity.behaviour.profile import Profile
from apps.activity.behaviour.wording import LEAST_DAYS, LEAST_HOURS, usual_in_words
from apps.activity.chains.build import build_chain
from apps.activity.chains.steps import Link
from tests.activity.test_chains import step

TOO_EARLY = "It is too early to tell at what hours it works and how much."


def _profile(hours: int, apart: timedelta) -> Profile:
    begin = datetime(2026, 11, 23, tzinfo=UTC)
    moments = [begin + apart * at for at in range(hours)]
    by_hour = {f"{at:%Y-%m-%dT%H}": 5.0 for at in moments}
    return Profile(calls=5.0 * hours, learnt=5 * hours, tools={"lookup": 5.0 * hours},
                   hours={str(at.hour): 5.0 for at in moments}, by_hour=by_hour)  # fmt: skip


def test_hours_and_volume_are_told_only_after_enough_hours_of_enough_days() -> None:
    every = timedelta(hours=LEAST_DAYS * 24 / LEAST_HOURS)
    assert TOO_EARLY in usual_in_words(_profile(1, every))
    assert TOO_EARLY in usual_in_words(_profile(LEAST_HOURS, timedelta(hours=1)))
    told = usual_in_words(_profile(LEAST_HOURS, every))
    assert TOO_EARLY not in told
    assert "An hour at work has 5 calls, at most 5." in told


def test_a_handover_is_told_only_where_one_was_recorded() -> None:
    silent = build_chain([step(0, "read", agent="claude-code"), step(5, "pay", agent="refund_agent")])
    told = build_chain(
        [step(0, "transfer_to_refund_agent", agent="claude-code"), step(5, "pay", agent="refund_agent")]
    )
    words = [edge.words for chain in (silent, told) for edge in chain.edges if edge.kind == Link.HANDOVER]
    assert words == ["then refund_agent goes on", "claude-code hands over to refund_agent"]

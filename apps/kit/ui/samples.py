"""Sample data of the component kit page: an invented bank, with names as long and as odd as real ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django import forms
from django.utils import timezone

from apps.kit.errors import Conflict
from apps.kit.ui import marks
from apps.kit.ui.charts import BandRow, Bin, Cell, Expiry, ExpiryStrip, HeatMatrix, OutcomeSeries
from apps.kit.ui.forms import PlainForm
from apps.kit.ui.parts import Option

LONG_NAME = "customer-correspondence-and-complaints-resolution-assistant-emea-retail-v2-canary"
PAIRS = (
    ("ink", "paper"),
    ("ink", "surface"),
    ("ink-2", "sunken"),
    ("ink-3", "raised"),
    ("accent", "select"),
    ("allowed", "allowed-wash"),
    ("flagged", "flagged-wash"),
    ("anomaly", "anomaly-wash"),
    ("violation", "violation-wash"),
    ("on-violation", "violation-solid"),
    ("on-accent", "accent"),
    ("on-ink", "ink"),
)
AGENTS = (
    ("AGT-0412", "Payment investigations", "Marta Lindqvist", 4, "production", 9, True, 18402, (5, 2, 11)),
    ("AGT-0207", "Claims triage", "Tobias Renner", 4, "production", 61, False, 41218, (0, 1, 24)),
    ("AGT-0119", "Credit memo writer", "Jonas Weide", 4, "suspended", -6, False, 0, (0, 0, 0)),
    (
        "AGT-0733",
        LONG_NAME,
        "Dr Anneliese von Hohenberg-Okonkwo",
        3,
        "staging",
        None,
        False,
        1_204_611,
        (0, 0, 1),
    ),
    ("AGT-0801", "KYC refresh", "", 3, "quarantined", 170, False, 902, (1, 0, 0)),
    ("AGT-0950", '<b>Refund</b> & "goodwill" bot', "Priya Raman", 2, "in_review", None, False, 12, (0, 0, 0)),
    ("AGT-0961", "Old claims summariser", "Tobias Renner", 1, "retired", None, False, 0, (0, 0, 0)),
)


FEED = (
    ("blocked", "Breaker tripped at 14:06; every call is refused"),
    ("allowed", ""),
    ("held", "Waits for a person: over the 2,000.00 limit of this grant"),
    ("anomaly", "Never called before by this agent; 40 times its usual row count"),
    ("flagged", "Reserve 2.1 times the adjuster's median for this class"),
    ("violation", "Free text to a customer is outside the grant; policy COMMS-4"),
    ("pending", ""),
)


class SampleForm(PlainForm):
    """Every kind of control, two of them wrong."""

    owner = forms.CharField(help_text="A named, active person. Teams can be deputies.")
    limit = forms.DecimalField(label="Limit per call", max_value=5000, required=False)
    tier = forms.ChoiceField(label="Risk tier", choices=[(4, "4 Critical"), (3, "3 High")])
    identifier = forms.CharField(disabled=True, required=False, initial="AGT-0412")
    oversight = forms.ChoiceField(
        choices=[
            ("autonomous", "Autonomous"),
            ("notified", "Human notified"),
            ("approves", "Human approves"),
            ("human", "Human only"),
        ],
        widget=forms.RadioSelect,
        help_text="What happens when nobody answers: refused after the deadline.",
    )
    data_classes = forms.MultipleChoiceField(
        choices=[("personal", "Personal"), ("financial", "Financial"), ("health", "Health")],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    notify = forms.BooleanField(
        label="Notify the deputy", required=False, help_text="By mail, within a minute."
    )
    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), help_text="Goes into the ledger.")


def sample_form() -> SampleForm:
    """The form as it comes back after a refused save."""
    return SampleForm(
        {
            "owner": "Marta Lindqvist",
            "limit": "20000",
            "tier": "4",
            "oversight": "approves",
            "data_classes": ["personal"],
        }
    )


def outcome_series() -> OutcomeSeries:
    """Thirty days: quiet, then a model change, then the breaker."""
    return OutcomeSeries(list(_days()), "calls a day", (16_500, 20_800), (17, "model snapshot changed"))


def _days() -> Iterator[Bin]:
    start = datetime(2026, 10, 25, tzinfo=UTC)
    for at in range(30):
        late = at - 26
        counts = {"allowed": 17_600 + (at * 1373) % 2600 + max(late, 0) * 900, "flagged": at % 4}
        if late > 0:
            counts |= {
                "flagged": 5 + late * 5,
                "anomaly": late,
                "violation": late * 2,
                "blocked": 22 if late == 3 else 0,
            }
        yield Bin((start + timedelta(days=at)).strftime("%-d %b"), counts)


BANDS = (
    BandRow("ledger.read_entries", 36, (30, 39), 34),
    BandRow("payments.trace", 23, (19, 26), 22),
    BandRow("case.note.write", 13, (11, 17), 14),
    BandRow("ledger.post_adjustment", 9, (1, 4), 3),
    BandRow("customer.contact.read", 1.8, None),
    BandRow("mcp__core_banking__transfer_between_own_accounts", 37.5, (20, 30), 25),
)
STATES = ("draft", "in_review", "staging", "production", "suspended")
FLEET = ((3, 4, 3, 38, 2), (11, 9, 14, 164, 4), (41, 15, 33, 320, 4), (52, 13, 38, 399, 2))
EXPIRIES = ExpiryStrip(
    [
        Expiry(f"Agent {at}", days, "#")
        for at, days in enumerate((-6, 2, 9, 9, 12, 17, 22, 39, 41, 61, 74, 74, 75, 88, 128))
    ]
)


def fleet() -> HeatMatrix:
    """Agents by tier and state."""
    rows = [
        (marks.tier(level), [Cell(count, "#fleet") for count in counts])
        for level, counts in zip((4, 3, 2, 1), FLEET, strict=True)
    ]
    return HeatMatrix("Agents by tier and state", "Tier", [marks.state(name) for name in STATES], rows)


def agent_rows(now: datetime) -> list[dict[str, object]]:
    """Table rows with short, long, hostile and missing values."""
    keys = ("id", "name", "owner", "tier", "state", "days", "tripped", "calls", "exceptions")
    rows: list[dict[str, object]] = [dict(zip(keys, agent, strict=True)) for agent in AGENTS]
    for row in rows:
        days = row["days"]
        row["until"] = now + timedelta(days=days) if isinstance(days, int) else None
        calls = row["calls"]
        row["trend"] = (
            [(int(str(calls)) // 14) * (8 + (at * 5) % 7) // 10 for at in range(14)] if calls else []
        )
    return rows


def facets() -> list[tuple[str, str, list[Option]]]:
    """Filters with marks and counts."""
    tiers = [
        Option(str(level), f"{level}", count, marks.tier(level))
        for level, count in ((4, 12), (3, 19), (2, 15), (1, 6))
    ]
    states = [Option(name, words, len(words) * 7, marks.state(name)) for name, words in marks.STATES.items()]
    units = [
        Option("bank", "Halden Bank", 24),
        Option("mutual", "Halden Mutual, Motor and Household Insurance", 10),
    ]
    return [
        ("Risk tier", "tier", tiers),
        ("State", "state", states),
        ("Unit", "unit", units),
        ("Framework", "framework", []),
    ]


def page_context() -> dict[str, object]:
    """Everything the component kit page shows."""
    now = timezone.now()
    return {
        "pairs": PAIRS,
        "heats": range(6),
        "outcomes": marks.OUTCOMES,
        "states": marks.STATES,
        "checks": marks.CHECKS,
        "actors": marks.ACTORS,
        "long_name": LONG_NAME,
        "ids": [agent[0] for agent in AGENTS],
        "form": sample_form(),
        "rows": agent_rows(now),
        "feed": FEED,
        "problem": Conflict(
            "The agent has no active certification.", fields={"certification": "Active, not expired"}
        ),
        "facets": facets(),
        "series": outcome_series(),
        "trend": [one.total for one in _days()],
        "bands": BANDS,
        "fleet": fleet(),
        "expiries": EXPIRIES,
        "changes": {
            "max_amount": ("500.00", "2,000.00"),
            "deputy": (None, "Samir Haddad"),
            "note": ("backlog", None),
        },
        "digest": "9c41e07be1f022c95d3a9c41e07be1f022c95d3a9c41e07be1f022c95d3a0000",
        "moments": [now, now - timedelta(minutes=26), now + timedelta(hours=3), now - timedelta(days=40)],
        "ends": [now + timedelta(days=61), now + timedelta(days=9), now - timedelta(days=6), None],
        "icon_names": marks.icon_names(),
    }

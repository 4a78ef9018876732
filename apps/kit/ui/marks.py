"""The marks of the visual language: icons, signs and pills. Shape first, then word, then colour.

Every builder returns escaped, safe markup. Hue means outcome and nothing else, so tier, state and
breaker are drawn in ink.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.kit.ui.formats import as_moment, day, days_until, number

OUTCOMES: Final[dict[str, str]] = {
    "allowed": "Allowed",
    "flagged": "Flagged",
    "anomaly": "Anomaly",
    "violation": "Violation",
    "held": "Held",
    "blocked": "Blocked",
    "pending": "Pending",
}
PLURALS: Final[dict[str, str]] = {"anomaly": "anomalies", "violation": "violations"}
TIERS: Final[dict[int, str]] = {1: "Low", 2: "Medium", 3: "High", 4: "Critical"}
STATES: Final[dict[str, str]] = {
    "draft": "Draft",
    "discovered": "Discovered",
    "registered": "Registered",
    "in_review": "In review",
    "certified": "Certified",
    "staging": "Staging",
    "production": "Production",
    "suspended": "Suspended",
    "quarantined": "Quarantined",
    "deprecated": "Deprecated",
    "retired": "Retired",
}
_FAINT_STATES: Final = frozenset({"draft", "retired"})
ACTORS: Final[dict[str, str]] = {"human": "Person", "agent": "Agent", "service": "Service"}
CHECKS: Final[dict[str, tuple[str, str, str]]] = {
    "passes": ("check", "Passes", "mk-good"),
    "fails": ("violation", "Fails", "mk-bad"),
    "unknown": ("unknown", "Unknown", "mk-warn"),
    "na": ("na", "Does not apply", "mk-off"),
    "upcoming": ("upcoming", "Upcoming", "mk-off"),
}
EFFECTS: Final[dict[str, tuple[str, str, str]]] = {
    "verified": ("check", "Verified", "mk-good"),
    "failed": ("violation", "Did not happen", "mk-bad"),
    "unknown": ("unknown", "Not verified", "mk-warn"),
}
DUE_DAYS: Final = 30  # a certification is shown as due from here on

# One stem, three parts: byte 0, 1 and 2 of the SHA-256 of the agent's id, each modulo six.
_TOPS: Final = (
    "M6 2.5V5a4 3.5 0 0 0 8 0V2.5",
    "M6 6.5l4-4 4 4",
    "M6.5 5.5h7",
    "M7.5 4.5a2.5 2.5 0 1 1 5 0a2.5 2.5 0 1 1-5 0",
    "M10 2l2.5 2.5L10 7 7.5 4.5z",
    "M10 2.5h5l-1.6 2 1.6 2h-5",
)
_MIDDLES: Final = (
    "M6.5 9h7M6.5 11.5h7",
    "M4.5 8.5a5.5 3.5 0 0 0 11 0",
    "M10 10h5.5M15.5 8v4",
    "M5.5 12l9-4",
    "M7 8l6 4.5M13 8l-6 4.5",
    "M5.5 10h9",
)
_BASES: Final = (
    "M8 16a2 2 0 1 1 4 0a2 2 0 1 1-4 0",
    "M5 17.5h10",
    "M10 14.5L5.5 18M10 14.5l4.5 3.5",
    "M10 13.5l4 4.3H6z",
    "M5.5 14a4.5 3.8 0 0 0 9 0",
    "M7.5 15.5h5M5 17.8h10",
)


@lru_cache(maxsize=512)
def icon(name: str, size: str = "") -> SafeString:
    """A symbol of static/icons.svg, hidden from screen readers: the word stands beside it."""
    return format_html(
        '<svg class="i{}" aria-hidden="true"><use href="{}#{}"/></svg>',
        " i-l" if size == "large" else "",
        static("icons.svg"),
        name,
    )


@lru_cache(maxsize=4096)
def sign_path(agent_id: object) -> str:
    """The strokes of an agent's sign, in a 20 by 20 box. Recognition, not identity: show the id too."""
    top, middle, base = hashlib.sha256(str(agent_id).encode()).digest()[:3]
    return f"M10 3v14.5{_TOPS[top % 6]}{_MIDDLES[middle % 6]}{_BASES[base % 6]}"


def sign(agent_id: object, large: bool = False) -> SafeString:
    """The stroke mark of one agent, drawn from its id."""
    return format_html(
        '<svg class="sig{}" viewBox="0 0 20 20" aria-hidden="true"><path d="{}"/></svg>',
        " sig-l" if large else "",
        sign_path(agent_id),
    )


def mark(icon_name: str, words: object, css_class: str = "") -> SafeString:
    """A shape and a word in ink; `css_class` adds mk-off, mk-warn, mk-bad, mk-good, mk-stop or wrap."""
    return format_html('<span class="mk {}">{}{}</span>', css_class, icon(icon_name), words)


def outcome(name: str, plain: bool = False, count: int | None = None) -> SafeString:
    """What happened to a call: its pill, or with `count` how many ended so (the word is then hidden)."""
    words: object = OUTCOMES.get(name, name)
    shape = name if name in OUTCOMES else "unknown"
    if count is not None:
        hidden = PLURALS.get(name, name) if count != 1 else name
        words = format_html('{}<span class="vh"> {}</span>', number(count), hidden)
    return format_html(
        '<span class="out out-{}{}">{}{}</span>', shape, " out-plain" if plain else "", icon(shape), words
    )


def tier(level: int | None, words: str = "") -> SafeString:
    """The risk tier as bars, number and word; None is an agent nobody has assessed."""
    if level not in TIERS:
        return mark("unknown", words or "Not assessed", "mk-off")
    return mark(f"tier-{level}", words or f"{level} {TIERS[level]}")


def state(name: str) -> SafeString:
    """A lifecycle state: a disc that fills as the agent goes live."""
    if name not in STATES:
        return mark("unknown", name, "mk-off")
    return mark(f"st-{name}", STATES[name], "mk-off" if name in _FAINT_STATES else "")


def seal(
    until: date | datetime | None, revoked: bool = False, long: bool = False, now: datetime | None = None
) -> SafeString:
    """A certification by its end: whole, due within 30 days, broken (expired or revoked), dashed (none)."""
    if revoked:
        return mark("seal-broken", "Revoked", "mk-bad")
    if until is None:
        return mark("seal-none", "Not certified" if long else "None", "mk-off")
    left = days_until(until, now)
    if left <= 0:
        return mark("seal-broken", _since(-left), "mk-bad")
    words = f"Certified until {day(as_moment(until))}, {_days(left)} left" if long else _days(left)
    if left <= DUE_DAYS:
        return mark("seal-due", words, "mk-warn")
    return mark("seal", words, "mk-good")


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{number(count)} days"


def _since(days: int) -> str:
    return "Expired today" if days == 0 else f"Expired {_days(days)}"


def breaker(tripped: bool | str) -> SafeString:
    """The circuit breaker: Armed lets calls through, Tripped refuses them all, On trial lets few through after a reset."""
    if tripped in (True, "tripped"):
        return mark("brk-tripped", "Tripped", "mk-stop")
    if tripped == "on_trial":
        return mark("brk-trial", "On trial")
    return mark("brk-armed", "Armed", "mk-off")


def actor_icon(kind: str) -> SafeString:
    """Who acted, as an icon with its word in hidden text."""
    shape = kind if kind in ACTORS else "unknown"
    return format_html('{}<span class="vh">{}</span>', icon(shape), ACTORS.get(kind, "Unknown"))


def check(name: str, words: str = "") -> SafeString:
    """The result of a control or check; unknown looks and counts as failed."""
    shape, word, css_class = CHECKS.get(name, CHECKS["unknown"])
    return mark(shape, words or word, css_class)


def effect(name: str) -> SafeString:
    """Whether what a call says it did was found to be so; '' waits for that."""
    shape, word, css_class = EFFECTS.get(name, ("pending", "Not known yet", "mk-off"))
    return mark(shape, word, css_class)


def agent_link(name: str, href: str, agent_id: object) -> SafeString:
    """An agent's sign and its name as a link."""
    return format_html('<span class="agent">{}<a href="{}">{}</a></span>', sign(agent_id), href, name)


@lru_cache(maxsize=1)
def icon_names() -> tuple[str, ...]:
    """Every symbol of the sprite, read from the file once."""
    path = finders.find("icons.svg")
    sprite = Path(str(path)).read_text(encoding="utf-8") if path else ""
    return tuple(re.findall(r'<symbol id="([\w-]+)"', sprite))

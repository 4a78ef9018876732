"""What people type into the search box: words of what an agent does, and filters among them.

`refunds owner:me tier:>=3 tool:stripe not certified` asks for agents that do refunds, of mine, of tier 3 or
above, that use a tool named stripe and hold no certification. `-` or `not` before a filter turns it round;
a value with blanks stands in quotation marks. A word with a colon that is no filter is a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps.agents.models import BreakerState, Environment, ObservedModel, ObservedTool, State, ToolGrant
from apps.agents.risk import TIER_NAMES
from apps.identity.models import Principal
from apps.kit.errors import InvalidInput

TOKEN = re.compile(
    r'(?P<minus>-)?(?P<key>[a-z_]+):(?P<value>"[^"]*"|\S+)|"(?P<quoted>[^"]*)"|(?P<word>\S+)', re.I
)
COMPARISON = re.compile(r"(?P<sign>>=|<=|>|<|=)?(?P<number>\d)")
AGE = re.compile(r"(?P<sign>[<>])?(?P<days>\d{1,4})d")
LOOKUPS = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt", "=": "exact", "": "exact"}
NOTHING = ("none", "nobody", "empty")


@dataclass(frozen=True)
class Asked:
    """A query taken apart: the words, the condition its filters amount to, and the filters as typed."""

    words: str
    condition: Q
    filters: tuple[str, ...]


def parse(query: str, *, actor: Principal) -> Asked:
    """Take a query apart. Raises InvalidInput naming `q` when a filter's value cannot be."""
    words: list[str] = []
    filters: list[str] = []
    condition, negate = Q(), False
    for found in TOKEN.finditer(query):
        part = _condition(found, actor)
        if part is None:
            word = found["quoted"] or found["word"] or found.group()
            if word.lower() == "not":
                negate = True
                continue
            words += ["not", word] if negate else [word]
        else:
            turned = negate or bool(found["minus"])
            condition &= ~part if turned else part
            filters.append(f"{'not ' if turned else ''}{found.group().removeprefix('-')}")
        negate = False
    return Asked(" ".join(words), condition, tuple(filters))


def _condition(found: re.Match[str], actor: Principal) -> Q | None:
    word = (found["word"] or "").lower()
    if word in WORDS:
        return WORDS[word]()
    key = (found["key"] or "").lower()
    if key not in FILTERS:
        return None
    return FILTERS[key](found["value"].strip('"'), actor)


def _person(column: str) -> Callable[[str, Principal], Q]:
    def condition(value: str, actor: Principal) -> Q:
        if value.lower() == "me":
            return Q(**{column: actor})
        if value.lower() in NOTHING:
            return Q(**{column: None})
        return Q(**{f"{column}__name__icontains": value}) | Q(**{f"{column}__person__email__iexact": value})

    return condition


def _text(column: str) -> Callable[[str, Principal], Q]:
    def condition(value: str, actor: Principal) -> Q:
        return Q(**{column: ""}) if value.lower() in NOTHING else Q(**{f"{column}__icontains": value})

    return condition


def _named(column: str) -> Callable[[str, Principal], Q]:
    def condition(value: str, actor: Principal) -> Q:
        return Q(**{column: None}) if value.lower() in NOTHING else Q(**{f"{column}__name__icontains": value})

    return condition


def _tier(value: str, actor: Principal) -> Q:
    if value.lower() in NOTHING:
        return Q(tier=None)
    names = {name.lower(): number for number, name in TIER_NAMES.items()}
    if value.lower() in names:
        return Q(tier=names[value.lower()])
    found = COMPARISON.fullmatch(value)
    if not found:
        raise _unclear("tier takes a number such as 3 or >=3")
    return Q(**{f"tier__{LOOKUPS[found['sign'] or '']}": int(found["number"])})


def _choice(
    column: str, choices: type[State] | type[BreakerState] | type[Environment]
) -> Callable[[str, Principal], Q]:
    def condition(value: str, actor: Principal) -> Q:
        wanted = value.lower().replace("-", "_")
        if wanted not in choices.values:
            raise _unclear(f"{column} is one of {', '.join(choices.values)}")
        return Q(**{column: wanted})

    return condition


def _tool(value: str, actor: Principal) -> Q:
    observed = ObservedTool.objects.filter(agent=OuterRef("pk"), tool_name__icontains=value)
    granted = ToolGrant.objects.active().filter(agent=OuterRef("pk"), tool__name__icontains=value)
    return Q(Exists(observed)) | Q(Exists(granted))


def _model(value: str, actor: Principal) -> Q:
    return Q(Exists(ObservedModel.objects.filter(agent=OuterRef("pk"), model__icontains=value)))


def _tag(value: str, actor: Principal) -> Q:
    return Q(tags=[]) if value.lower() in NOTHING else Q(tags__contains=[value])


def _country(value: str, actor: Principal) -> Q:
    return Q(countries__contains=[value.upper()])


def _seen(value: str, actor: Principal) -> Q:
    if value.lower() == "never":
        return Q(last_seen=None)
    found = AGE.fullmatch(value)
    if not found:
        raise _unclear("seen takes a number of days such as <7d, >30d, or never")
    since = timezone.now() - timedelta(days=int(found["days"]))
    return Q(last_seen__lt=since) if found["sign"] == ">" else Q(last_seen__gte=since)


def _unclear(words: str) -> InvalidInput:
    return InvalidInput("Nothing was searched.", fields={"q": f"Here {words}"})


FILTERS: dict[str, Callable[[str, Principal], Q]] = {
    "owner": _person("owner"),
    "deputy": _person("deputy"),
    "team": _named("team"),
    "blueprint": _named("blueprint"),
    "tier": _tier,
    "state": _choice("state", State),
    "breaker": _choice("breaker_state", BreakerState),
    "environment": _choice("environment", Environment),
    "tool": _tool,
    "model": _model,
    "tag": _tag,
    "country": _country,
    "framework": _text("framework"),
    "service": _text("business_service"),
    "seen": _seen,
}
WORDS: dict[str, Callable[[], Q]] = {
    "certified": lambda: Q(certified_until__gt=timezone.now()),
    "stopped": lambda: Q(breaker_state=BreakerState.TRIPPED),
}

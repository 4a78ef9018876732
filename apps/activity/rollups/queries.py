"""Reading sums: an agent's days, its tools, its models. Each lags what happened by a few seconds, as the job does."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Sum
from django.utils import timezone

from apps.activity.models import FAILED, Effect, ModelHour, Outcome, ToolHour
from apps.activity.rollups.histogram import added, quantile
from apps.agents.models import Agent
from apps.identity.models import Principal
from apps.kit.ui.charts import Bin, OutcomeSeries
from apps.kit.ui.parts import Option

DAYS = 30
MOST_NAMED = 12


@dataclass
class Sums:
    """What some calls came to."""

    name: str = ""
    server: str = ""
    calls: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    by_outcome: Counter[str] = field(default_factory=Counter)
    by_effect: Counter[str] = field(default_factory=Counter)
    durations: Counter[int] = field(default_factory=Counter)

    def add(self, hour: ToolHour) -> None:
        self.calls += hour.calls
        self.by_status.update(hour.by_status)
        self.by_outcome.update(hour.by_outcome)
        self.by_effect.update(hour.by_effect)
        self.durations.update(added([hour.durations]))

    @property
    def failed(self) -> int:
        return sum(self.by_status[name] for name in FAILED)

    @property
    def failed_share(self) -> float | None:
        return self.failed / self.calls if self.calls else None

    @property
    def read_back(self) -> int:
        """Calls of which it was asked whether it happened."""
        return self.by_effect.total()

    @property
    def verified_share(self) -> float | None:
        """Of those read back; None where there is none."""
        return self.by_effect[Effect.VERIFIED] / self.read_back if self.read_back else None

    @property
    def p50(self) -> float | None:
        return quantile(self.durations, 0.5)

    @property
    def p95(self) -> float | None:
        return quantile(self.durations, 0.95)


@dataclass(frozen=True)
class ModelSums:
    """What the answers of one model came to; `cost_usd` None where not one has a known cost."""

    provider: str
    model: str
    answers: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    unpriced: int


@dataclass(frozen=True)
class Activity:
    """One agent over some days, from sums alone."""

    days: int
    total: Sums
    tools: Sequence[Sums]
    by_day: dict[date, Sums]
    models: Sequence[ModelSums]

    @property
    def series(self) -> OutcomeSeries:
        return OutcomeSeries([Bin(f"{day:%-d %b}", sums.by_outcome) for day, sums in self.by_day.items()])

    @property
    def slowness(self) -> list[tuple[str, int]]:
        """The 95th percentile of each day that had timed calls, in whole ms."""
        told = [(day, sums.p95) for day, sums in self.by_day.items()]
        return [(f"{day:%-d %b}", round(p95)) for day, p95 in told if p95 is not None]

    @property
    def tokens(self) -> int:
        return sum(one.input_tokens + one.output_tokens for one in self.models)

    @property
    def cost_usd(self) -> Decimal | None:
        known = [one.cost_usd for one in self.models if one.cost_usd is not None]
        return sum(known, Decimal(0)) if known else None

    @property
    def unpriced(self) -> int:
        return sum(one.unpriced for one in self.models)

    def facets(self) -> dict[str, list[Option]]:
        """Outcomes, effects and the most used tools with their counts."""
        names: Counter[str] = Counter()
        for tool in self.tools:
            names[tool.name] += tool.calls
        outcomes = self.total.by_outcome
        return {
            "outcome": [Option(value, label, outcomes[value]) for value, label in Outcome.choices],
            "effect": [Option(value, label, self.total.by_effect[value]) for value, label in Effect.choices],
            "tool": [Option(name, name, count) for name, count in names.most_common(MOST_NAMED)],
        }


def activity_of(agent: Agent, *, actor: Principal, days: int = DAYS) -> Activity:
    """An agent's last `days` days (UTC), today included. Two queries, of the agent's sums alone."""
    since = _since(days)
    hours = ToolHour.objects.visible_to(actor).filter(agent=agent, hour__gte=since)
    by_day = {(since + timedelta(days=at)).date(): Sums() for at in range(days)}
    total = Sums()
    tools: dict[tuple[str, str], Sums] = defaultdict(Sums)
    for hour in hours.iterator():
        key = hour.tool_name, hour.mcp_server
        tools[key].name, tools[key].server = key
        for sums in (total, tools[key], by_day.get(hour.hour.date(), Sums())):
            sums.add(hour)
    most_used = sorted(tools.values(), key=lambda sums: (-sums.calls, sums.name))
    return Activity(days, total, most_used, by_day, _models(agent, since, actor))


def calls_per_day(agent: Agent, days: int = DAYS) -> OutcomeSeries:
    """An agent's calls of the last `days` days by outcome; one query."""
    since = _since(days)
    counted: dict[date, Counter[str]] = {(since + timedelta(days=at)).date(): Counter() for at in range(days)}
    for hour, outcomes in ToolHour.objects.filter(agent=agent, hour__gte=since).values_list(
        "hour", "by_outcome"
    ):
        counted.get(hour.date(), Counter()).update(outcomes)
    return OutcomeSeries([Bin(f"{day:%-d %b}", counts) for day, counts in counted.items()])


def _since(days: int) -> datetime:
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days - 1)


def _models(agent: Agent, since: datetime, actor: Principal) -> list[ModelSums]:
    rows = ModelHour.objects.visible_to(actor).filter(agent=agent, hour__gte=since)
    summed = rows.order_by().values("provider", "model").annotate(
        told=Sum("answers"), tokens_in=Sum("input_tokens"), tokens_out=Sum("output_tokens"),
        micros=Sum("cost_usd_micros"), without=Sum("unpriced"),
    )  # fmt: skip
    return list(_sorted(_model(row) for row in summed))


def _model(row: Mapping[str, object]) -> ModelSums:
    told, without = int(str(row["told"])), int(str(row["without"]))
    cost = Decimal(int(str(row["micros"]))) / 1_000_000 if without < told else None
    tokens = int(str(row["tokens_in"])), int(str(row["tokens_out"]))
    return ModelSums(str(row["provider"]), str(row["model"]), told, *tokens, cost, without)


def _sorted(models: Iterable[ModelSums]) -> list[ModelSums]:
    return sorted(models, key=lambda one: (-one.answers, one.model))

"""A chain as SVG and rows: arrows of the data flow, bars on a clock, one lane for each agent. Pure markup.

Positions are attributes, colours classes, as everywhere (apps.kit.ui.charts). One row is 36 pixels high.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

from apps.activity.chains.steps import Chain, Edge, Kind, Link, Step
from apps.kit.ui.formats import milliseconds
from apps.kit.ui.marks import icon, outcome, sign

ROW = 36
ICONS: Mapping[Kind, tuple[str, str]] = {
    Kind.DECISION: ("llm", "Decision"),
    Kind.LLM: ("llm", "Model request"),
    Kind.TOOL: ("tools", "Tool call"),
    Kind.HANDOVER: ("handover", "Hand-over"),
    Kind.APPROVAL: ("human", "Person"),
    Kind.OUTCOME: ("outcomes", "Outcome"),
}
BARS = {
    "allowed": "c-allowed",
    "flagged": "c-flagged",
    "anomaly": "c-anomaly",
    "violation": "c-violation",
    "blocked": "c-blocked",
}
MOST_ARROWS = 4_000
MOST_WORDS_ON_CLOCK = 300
MOST_LANES = 10
DEEPEST_INDENT = 6
LANE = 24


def icon_of(step: Step) -> tuple[str, str]:
    """Icon and word of a step's kind."""
    return ("unknown", "Step") if step.is_hidden else ICONS[step.kind]


def say(step: Step) -> str:
    """A step in one line."""
    if step.said and not step.tool:
        line = " ".join(step.said.split())
        return f"{step.title}: {line[:120]}" if line else step.title
    return step.title


def rows_of(chain: Chain, chosen: int, causes: Iterable[int]) -> SafeString:
    """The list items of a chain; each is a link that opens its step."""
    suspects = set(causes)
    parts, before = [], None
    for at, step in enumerate(chain.steps):
        parts.append(_row(chain, at, step.agent != before, at == chosen, at in suspects))
        before = step.agent
    return SafeString("".join(parts))


def _row(chain: Chain, at: int, is_new: bool, is_chosen: bool, is_cause: bool) -> SafeString:
    """One row. Put together by hand, two thousand times a page: every text goes through `escape`."""
    step, no = chain.steps[at], at + 1
    shape, word = icon_of(step)
    agent = (
        f'{sign(step.agent_id or step.agent)}<span class="vh">{escape(step.agent)}: </span>' if is_new else ""
    )
    css = f"d{min(chain.depths[at], DEEPEST_INDENT)}{' is-cause' if is_cause else ''}"
    current = ' aria-current="step"' if is_chosen else ""
    return SafeString(
        f'<li id="step-{no}" data-ms="{int(step.duration_ms or 0)}"><a class="{css}" href="?step={no}#step-{no}" data-row'
        f' data-step="{no}"{current}><span class="no">{no}</span><span class="lane">{agent}</span>{icon(shape)}'
        f'<span class="vh">{word}: </span><span class="say">{escape(say(step))}</span>{_foreign(step)}{_outcome(step)}</a></li>'
    )


def _foreign(step: Step) -> SafeString:
    """Whose agent it was, where it is another team's than the run's."""
    if not step.foreign:
        return SafeString("")
    return format_html('<span class="mk out">{}{}</span>', icon("people"), step.foreign)


def _outcome(step: Step) -> SafeString:
    if step.is_hidden:
        return SafeString("")
    if step.outcome and step.outcome != "allowed":
        return outcome(step.outcome, plain=step.outcome not in ("violation", "blocked"))
    if step.is_refused:
        return format_html('<span class="mk out">{}Refused</span>', icon("blocked"))
    if step.is_failed:
        return format_html('<span class="mk mk-bad out">{}Failed</span>', icon("violation"))
    return SafeString("")


def arrows(chain: Chain, edges: Sequence[Edge], hit: Iterable[Edge], words: str) -> SafeString:
    """Edges as arcs from the row a value came from to the row that used it."""
    strong = {id(edge) for edge in hit}
    shown = sorted(edges[:MOST_ARROWS], key=lambda edge: id(edge) in strong)
    height = ROW * len(chain.steps)
    return format_html(
        '<svg class="arcs" viewBox="0 0 88 {h}" preserveAspectRatio="none" height="{h}" role="img" aria-label="{words}">{arcs}</svg>',
        h=height,
        words=words,
        arcs=format_html_join("", "{}", ((_arc(edge, id(edge) in strong),) for edge in shown)),
    )


def _arc(edge: Edge, is_hit: bool) -> SafeString:
    begin, end = edge.source * ROW + 22, edge.target * ROW + 14
    bow = min(84, 16 + 13 * abs(edge.target - edge.source))
    return format_html(
        '<path class="arc{hit}" d="M4 {y1}C{x} {y1} {x} {y2} 11 {y2}"/><path class="arc-head{hit}" d="M4 {y2}l8-4.5v9z"/>',
        hit=" is-hit" if is_hit else "", x=bow, y1=begin, y2=end,
    )  # fmt: skip


def clock(chain: Chain) -> SafeString:
    """When each step ran, as a bar in its row; clocks brought together before."""
    begin = min((one.timestamp() for one in chain.begins), default=0.0)
    whole = chain.duration_s or 1.0
    bars = [_bar(step, (at.timestamp() - begin) / whole, whole, number, len(chain.steps) <= MOST_WORDS_ON_CLOCK)
            for number, (step, at) in enumerate(zip(chain.steps, chain.begins, strict=True))]  # fmt: skip
    return format_html(
        '<svg class="chart" height="{}" role="img" aria-label="When each step ran">{}</svg>',
        ROW * len(chain.steps),
        SafeString("".join(bars)),
    )


def _bar(step: Step, share: float, whole: float, number: int, with_words: bool) -> SafeString:
    left = min(share * 100, 99.1)
    width = min(max(0.9, (step.duration_ms or 0) / 10 / whole), 100 - left)
    words, y = "", number * ROW
    if with_words and step.duration_ms is not None:
        at_right = left + width > 70
        x, shift, css = (left, -6, "end") if at_right else (left + width, 6, "")
        words = (
            f'<svg x="{x:.2f}%" y="{y + 22}" overflow="visible"><text x="{shift}" class="{css}">'
            f"{milliseconds(step.duration_ms)}</text></svg>"
        )
    return SafeString(
        f'<rect class="{_bar_class(step)}" x="{left:.2f}%" y="{y + 11}" width="{width:.2f}%" height="14"/>{words}'
    )


def _bar_class(step: Step) -> str:
    if step.is_failed and step.outcome in ("", "allowed"):
        return "c-flagged"
    if step.is_refused and step.outcome in ("", "allowed"):
        return "c-blocked"
    return BARS.get(step.outcome, "c-bar2")


def lanes(chain: Chain, lane_of: Mapping[str, int], suspects: Iterable[int]) -> SafeString:
    """One lane for each agent, steps from left to right in their order, hand-overs as lines between lanes."""
    count, marked = max(1, len(chain.steps)), set(suspects)
    width = min(2.2, 80 / count)
    marks = [
        (
            _bar_class(step) if at not in marked else "c-violation",
            f"{at / count * 100:.2f}",
            lane_of[step.agent] * LANE + (3 if at in marked else 6),
            f"{width:.2f}",
            18 if at in marked else 12,
            at + 1,
            say(step)[:80],
        )
        for at, step in enumerate(chain.steps)
    ]
    lines = [
        (
            f"{(edge.target - 0.3) / count * 100:.2f}",
            *sorted((_middle(chain, edge.source, lane_of), _middle(chain, edge.target, lane_of))),
        )
        for edge in chain.edges
        if edge.kind in (Link.HANDOVER, Link.HUMAN)
        and chain.steps[edge.source].agent != chain.steps[edge.target].agent
    ]
    return format_html(
        '<svg class="chart" height="{}" role="img" aria-label="Steps by agent, in their order">{}{}</svg>',
        LANE * (max(lane_of.values(), default=0) + 1),
        format_html_join("", '<line class="c-grid" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/>', lines),
        format_html_join(
            "", '<a href="?step={5}#step-{5}"><rect class="{0}" x="{1}%" y="{2}" width="{3}%" height="{4}"><title>{5} {6}</title></rect></a>', marks,
        ),
    )  # fmt: skip


def _middle(chain: Chain, at: int, lane_of: Mapping[str, int]) -> int:
    return lane_of[chain.steps[at].agent] * LANE + LANE // 2


def lanes_of(chain: Chain) -> tuple[dict[str, int], list[str]]:
    """Which lane each agent has, and the lanes' names; from the tenth agent on they share the last."""
    agents = chain.agents
    if len(agents) <= MOST_LANES:
        return {name: at for at, name in enumerate(agents)}, agents
    shared = f"{len(agents) - MOST_LANES + 1} more agents"
    return {name: min(at, MOST_LANES - 1) for at, name in enumerate(agents)}, [
        *agents[: MOST_LANES - 1],
        shared,
    ]

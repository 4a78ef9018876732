"""The common policies as forms: a kind, its answers, and the Cedar that it writes, laid out so that people can read it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from apps.oversight.cedar.reading import BadPolicy
from apps.oversight.cedar.schema import quoted, tools_named

Answers = Mapping[str, Any]
PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Field:
    """One question of a form. `kind`: tool, tools, path, number, whole, texts, choice, agents or none of these: text."""

    name: str
    label: str
    kind: str = "text"
    choices: tuple[str, ...] = ()
    help: str = ""
    is_required: bool = True


@dataclass(frozen=True)
class Kind:
    """One form. `write` gives the policy's body and the annotations that belong to it."""

    key: str
    label: str
    help: str
    fields: tuple[Field, ...]
    write: Callable[[Answers, str], tuple[str, dict[str, str]]]


def write_cedar(kind: str, answers: Answers, *, outcome: str = "deny", words: str = "") -> str:
    """The policy that the answers come to. `answers` may name `agent` or `team` beside the form's own. Raises BadPolicy."""
    if kind not in KINDS:
        raise BadPolicy(f"there is no form {kind}; there are {', '.join(KINDS)}")
    form = KINDS[kind]
    for one in form.fields:
        if one.is_required and answers.get(one.name) in (None, "", []):
            raise BadPolicy(f"{one.label}: say what")
    body, notes = form.write(answers, _principal(answers))
    if outcome != "deny" and body.startswith("forbid"):
        notes["outcome"] = outcome
    if words:
        notes["words"] = words
    return "".join(f"@{name}({quoted(said)})\n" for name, said in sorted(notes.items())) + body


def _allow_list(answers: Answers, who: str) -> tuple[str, dict[str, str]]:
    return (
        f"permit({who}, action, resource)\nwhen {{ {tools_named(answers['tools'])}.contains(resource) }};",
        {},
    )


def _argument_limit(answers: Answers, who: str) -> tuple[str, dict[str, str]]:
    path = _path(answers["argument"])
    bounds = []
    for name, method in (("most", "lessThanOrEqual"), ("least", "greaterThanOrEqual")):
        if answers.get(name) not in (None, ""):
            bounds.append(f"{path}.{method}({_decimal(answers[name])})")
    if not bounds:
        raise BadPolicy("say at most, at least, or both")
    return _unless(answers, who, " &&\n  ".join([_has(answers["argument"]), *bounds])), {}


def _argument_values(answers: Answers, who: str) -> tuple[str, dict[str, str]]:
    path = _path(answers["argument"])
    exact = [one for one in answers["values"] if "*" not in one]
    ways = [f"[{', '.join(map(quoted, exact))}].contains({path})"] if exact else []
    ways += [f"{path} like {_pattern(one)}" for one in answers["values"] if "*" in one]
    allowed = ways[0] if len(ways) == 1 else "(" + " || ".join(ways) + ")"
    return _unless(answers, who, f"{_has(answers['argument'])} &&\n  {allowed}"), {}


def _recipients(answers: Answers, who: str) -> tuple[str, dict[str, str]]:
    """As values; where the argument is a list, all of it has to be among them, and patterns cannot be used."""
    if answers.get("is_list") not in (True, "yes"):
        return _argument_values(answers, who)
    if any("*" in one for one in answers["values"]):
        raise BadPolicy("a list of recipients is compared with whole addresses, without *")
    among = f"[{', '.join(map(quoted, answers['values']))}].containsAll({_path(answers['argument'])})"
    return _unless(answers, who, f"{_has(answers['argument'])} &&\n  {among}"), {}


def _time_window(answers: Answers, who: str) -> tuple[str, dict[str, str]]:
    first, last = _whole(answers["from_hour"], 0, 23), _whole(answers["to_hour"], 1, 24)
    if first >= last:
        raise BadPolicy("the first hour comes before the last")
    inside = [f"context.time.hour >= {first}", f"context.time.hour < {last}"]
    if answers.get("days") == "weekdays":
        inside.append("context.time.weekday <= 5")
    return _unless(answers, who, " &&\n  ".join(inside)), {}


def _rate(answers: Answers, who: str) -> tuple[str, dict[str, str]]:
    counter = f"calls = count of {answers['tool']} per {_per(answers)} over {_window(answers)}"
    over = f"context.counters.calls.greaterThan({_decimal(answers['most'])})"
    return _when(answers, who, over), {"counters": counter}


def _amount(answers: Answers, who: str) -> tuple[str, dict[str, str]]:
    path = str(answers["argument"])
    counter = f"total = sum arguments.{path} of {answers['tool']} per {_per(answers)} over {_window(answers)}"
    over = f"context.counters.total.greaterThan({_decimal(answers['most'])})"
    return _when(answers, who, over), {"counters": counter}


def _sequence(answers: Answers, who: str) -> tuple[str, dict[str, str]]:
    first = f"context.session.succeeded.contains(Tool::{quoted(answers['first'])})"
    return _unless(answers, who, first), {}


def _duties(answers: Answers, who: str) -> tuple[str, dict[str, str]]:
    other = f"context.session.own.contains(Tool::{quoted(answers['other'])})"
    return _when(answers, who, other), {}


def _data_flow(answers: Answers, who: str) -> tuple[str, dict[str, str]]:
    read = f"context.session.data_classes.contains(DataClass::{quoted(answers['data_class'])})"
    outward = '["external", "irreversible"].contains(context.side_effect)'
    return f"forbid({who}, action, resource)\nwhen {{\n  {read} &&\n  {outward}\n}};", {}


def _person(answers: Answers, who: str) -> tuple[str, dict[str, str]]:
    condition = ""
    if answers.get("argument") and answers.get("above") not in (None, ""):
        over = f"{_path(answers['argument'])}.greaterThan({_decimal(answers['above'])})"
        condition = f"\nwhen {{ {_has(answers['argument'])} &&\n  {over} }}"
    notes = {"outcome": "ask"} | ({"four_eyes": "two people"} if answers.get("people") == "two" else {})
    return f"forbid({who}, action, resource == Tool::{quoted(answers['tool'])}){condition};", notes


TOOL: Final = Field("tool", "Tool", "tool")
ARGUMENT: Final = Field("argument", "Argument", "path", help="Its path, such as amount or payment.amount.")
PER: Final = Field("per", "Counted for each", "choice", ("agent", "team", "person", "session", "fleet"))
WINDOW: Final = Field("window", "Within", help="Such as 10m, 1h or 1d.")
KINDS: Final[Mapping[str, Kind]] = {
    one.key: one
    for one in (
        Kind("allow_list", "Only these tools", "Nothing else may be called.", (Field("tools", "Tools", "tools"),), _allow_list),
        Kind(
            "argument_limit", "Limit of a number", "An argument stays within bounds.",
            (TOOL, ARGUMENT, Field("most", "At most", "number", is_required=False), Field("least", "At least", "number", is_required=False)),
            _argument_limit,
        ),
        Kind(
            "argument_values", "Values of an argument", "An argument is one of these.",
            (TOOL, ARGUMENT, Field("values", "Values", "texts", help="One a line; * stands for anything.")), _argument_values,
        ),
        Kind(
            "recipients", "Recipients", "Messages and money go to these only.",
            (
                TOOL, ARGUMENT, Field("values", "Recipients", "texts", help="One a line; *@bank.example allows a domain."),
                Field("is_list", "The argument is a list", "choice", ("no", "yes"), is_required=False),
            ),
            _recipients,
        ),
        Kind(
            "time_window", "Hours", "Calls at certain hours only, in this installation's time zone.",
            (
                TOOL, Field("from_hour", "From hour", "whole"), Field("to_hour", "Before hour", "whole"),
                Field("days", "Days", "choice", ("every day", "weekdays"), is_required=False),
            ),
            _time_window,
        ),
        Kind("rate", "Number of calls", "So many calls in a time, calls in flight included.", (TOOL, Field("most", "At most", "number"), PER, WINDOW), _rate),
        Kind(
            "amount", "Sum of amounts", "An argument's sum in a time, calls in flight included.",
            (TOOL, ARGUMENT, Field("most", "At most", "number"), PER, WINDOW), _amount,
        ),
        Kind("sequence", "Only after another call", "A call needs one that succeeded before it in the session.", (TOOL, Field("first", "After", "tool")), _sequence),
        Kind(
            "duties", "Separation of duties", "Who did one thing in a session may not do the other.",
            (TOOL, Field("other", "Not after its own call of", "tool")), _duties,
        ),
        Kind(
            "data_flow", "Flow of data", "After a session has read a class of data, nothing leaves the house.",
            (Field("data_class", "Class of data", "choice", ("personal", "financial", "health", "special", "credentials", "confidential")),),
            _data_flow,
        ),
        Kind(
            "person", "A person approves", "The call waits for a person.",
            (
                TOOL, Field("argument", "Only where this argument", "path", is_required=False),
                Field("above", "is above", "number", is_required=False),
                Field("people", "Approvers", "choice", ("one", "two"), is_required=False),
            ),
            _person,
        ),
    )
}  # fmt: skip


def _principal(answers: Answers) -> str:
    if answers.get("agent"):
        return f"principal == Agent::{quoted(answers['agent'])}"
    return f"principal in Team::{quoted(answers['team'])}" if answers.get("team") else "principal"


def _resource(answers: Answers) -> str:
    return f"resource == Tool::{quoted(answers['tool'])}"


def _when(answers: Answers, who: str, condition: str) -> str:
    return f"forbid({who}, action, {_resource(answers)})\nwhen {{ {condition} }};"


def _unless(answers: Answers, who: str, condition: str) -> str:
    return f"forbid({who}, action, {_resource(answers)})\nunless {{\n  {condition}\n}};"


def _path(argument: str) -> str:
    """context.arguments.payment.amount, with parts that are no plain name in brackets."""
    parts = [f".{one}" if PLAIN.fullmatch(one) else f"[{quoted(one)}]" for one in _parts(argument)]
    return "context.arguments" + "".join(parts)


def _has(argument: str) -> str:
    """Every step of the path is there."""
    steps, so_far = [], "context.arguments"
    for one in _parts(argument):
        plain = PLAIN.fullmatch(one)
        steps.append(f"{so_far} has {one if plain else quoted(one)}")
        so_far += f".{one}" if plain else f"[{quoted(one)}]"
    return " &&\n  ".join(steps)


def _parts(argument: str) -> Sequence[str]:
    parts = [one.strip() for one in str(argument).split(".")]
    if not all(parts):
        raise BadPolicy(f"'{argument}' is no path of an argument; write amount or payment.amount")
    return parts


def _decimal(value: Any) -> str:
    try:
        number = Decimal(str(value).replace(",", "").strip())
    except InvalidOperation as error:
        raise BadPolicy(f"'{value}' is no number") from error
    if not number.is_finite() or abs(number) > Decimal("922337203685477"):
        raise BadPolicy(f"'{value}' is too large")
    text = f"{number:.4f}".rstrip("0")
    return f'decimal("{text}0")' if text.endswith(".") else f'decimal("{text}")'


def _whole(value: Any, least: int, most: int) -> int:
    if not str(value).strip().isdecimal() or not least <= int(value) <= most:
        raise BadPolicy(f"'{value}' is no hour from {least} to {most}")
    return int(value)


def _per(answers: Answers) -> str:
    return str(answers["per"])


def _window(answers: Answers) -> str:
    return str(answers["window"]).strip()


def _pattern(text: str) -> str:
    """A pattern of Cedar's like: * is its wildcard too."""
    return quoted(text)

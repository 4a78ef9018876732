"""The form of a risk policy: each part of its rules as fields that say what they decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from apps.agents import risk
from apps.agents.models import AiActClass, DataClass, OversightLevel, SideEffect
from apps.agents.risk.rules import COMBINATIONS, KEYS, MOST_WEIGHT, Rules
from apps.kit.ui.forms import PlainForm

LEVELS = [(number, str(number)) for number in (1, 2, 3, 4)]
MOST_RAISES = 3
LABELS: Mapping[str, Mapping[str, str]] = {
    "weights": {one.field: one.name for one in risk.DIMENSIONS},
    "floors": {str(key): str(label) for key, label in AiActClass.choices},
    "data_classes": {str(key): str(label) for key, label in DataClass.choices},
    "regulated": {str(key): str(label) for key, label in DataClass.choices},
    "side_effects": {str(key): str(label) for key, label in SideEffect.choices},
    "oversight_limits": {str(key): str(label) for key, label in OversightLevel.choices},
    "ai_act": {str(key): str(label) for key, label in AiActClass.choices},
}
STEPS = ("thresholds", "dependents", "countries")


@dataclass(frozen=True)
class Part:
    """One table of the rules as the pages show it: what it decides, and (label, value) or the fields of the form."""

    name: str
    title: str
    note: str
    is_level: bool = True


PARTS = (
    Part("floors", "Least tier by EU AI Act class", "the tier is never below this"),
    Part("data_classes", "Data sensitivity by class of data", "of tools it may use and data it reaches"),
    Part("side_effects", "Decision authority by side effect", "of the tools it may use or was seen using"),
    Part(
        "oversight_limits",
        "Under oversight",
        "the most that a side effect counts for where the record names this level",
    ),
    Part("regulated", "Regulatory exposure by class of data", "a class that is left out says nothing"),
    Part("ai_act", "Regulatory exposure by EU AI Act class", "of the class on record"),
    Part(
        "dependents",
        "Blast radius by agents that need it",
        "from this many on, levels 2, 3 and 4",
        is_level=False,
    ),
    Part(
        "countries",
        "Blast radius by countries served",
        "from this many on, levels 2, 3 and 4",
        is_level=False,
    ),
)


def rows_of(rules: Rules, name: str) -> list[tuple[str, Any]]:
    """A table of the rules as (label, value) in the order of its kind."""
    value = getattr(rules, name)
    if name in STEPS:
        return [(f"Level {at}", start) for at, start in enumerate(value, start=2)]
    return [(LABELS[name][key], value[key]) for key in KEYS[name] if key in value]


class RiskPolicyForm(PlainForm):
    """A draft. Fields of a table are named `<part>.<key>`, of a rule that raises `raises.<row>.<what>`."""

    name = forms.CharField(max_length=120)
    note = forms.CharField(
        max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="What it is meant to change."
    )  # fmt: skip
    combination = forms.ChoiceField(choices=list(COMBINATIONS.items()), label="How levels combine")
    facts_raise = forms.BooleanField(
        required=False, label="Facts raise the tier",
        help_text="Otherwise they are shown beside the answers and counted as contradictions.",
    )  # fmt: skip
    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, keys in KEYS.items():
            for key in keys:
                self.fields[f"{name}.{key}"] = _number(name, LABELS[name][key])
        for name in STEPS:
            for at in range(3):
                self.fields[f"{name}.{at}"] = _start(name, at)
        for row in range(MOST_RAISES):
            for part, label in (
                ("dimensions", "This many dimensions"),
                ("level", "at this level or above"),
                ("tier", "make this tier"),
            ):
                choices = [(0, "\N{EN DASH}"), *(LEVELS[1:] if part == "tier" else LEVELS)]
                self.fields[f"raises.{row}.{part}"] = forms.TypedChoiceField(
                    choices=choices, coerce=int, initial=0, label=label
                )

    @property
    def parts(self) -> list[tuple[Part, list[forms.BoundField]]]:
        return [(part, self.fields_of(part.name)) for part in PARTS]

    @property
    def weights(self) -> list[forms.BoundField]:
        return [*self.fields_of("weights"), *self.fields_of("thresholds")]

    @property
    def raises(self) -> list[list[forms.BoundField]]:
        return [self.fields_of(f"raises.{row}") for row in range(MOST_RAISES)]

    def fields_of(self, name: str) -> list[forms.BoundField]:
        return [self[key] for key in self.fields if key.startswith(f"{name}.")]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for row in range(MOST_RAISES):
            given = [cleaned.get(f"raises.{row}.{part}") for part in ("dimensions", "level", "tier")]
            if any(given) and not all(given):
                self.add_error(f"raises.{row}.dimensions", "Fill in all three, or none.")
        return cleaned

    def rules(self) -> dict[str, Any]:
        """What was entered, as a policy stores it."""
        said = self.cleaned_data
        tables: dict[str, Any] = {
            name: {key: value for key in keys if (value := said[f"{name}.{key}"])}
            for name, keys in KEYS.items()
        }
        steps = {name: [said[f"{name}.{at}"] for at in range(3)] for name in STEPS}
        rows = (
            {part: said[f"raises.{row}.{part}"] for part in ("dimensions", "level", "tier")}
            for row in range(MOST_RAISES)
        )
        raises = [row for row in rows if all(row.values())]
        return {
            "combination": said["combination"], "facts_raise": said["facts_raise"], "raises": raises, **tables, **steps,
        }  # fmt: skip


def initial_rules(rules: Rules) -> dict[str, Any]:
    """The rules as the form's first values."""
    found: dict[str, Any] = {"combination": rules.combination, "facts_raise": rules.facts_raise}
    for name in KEYS:
        found |= {f"{name}.{key}": level for key, level in getattr(rules, name).items()}
    for name in STEPS:
        found |= _numbered(name, getattr(rules, name))
    for row, one in enumerate(rules.raises[:MOST_RAISES]):
        found |= {f"raises.{row}.{part}": getattr(one, part) for part in ("dimensions", "level", "tier")}
    return found


def placed(problems: Mapping[str, str], fields: Iterable[str]) -> dict[str, str]:
    """A service's words about a part of the rules, at the first field of that part."""
    known = list(fields)
    found = {}
    for name, words in problems.items():
        part = name.removeprefix("rules.")
        found[next((key for key in known if key == part or key.startswith(f"{part}.")), name)] = words
    return found


def _number(name: str, label: str) -> forms.TypedChoiceField:
    if name == "weights":
        choices: list[tuple[Any, str]] = [(number, str(number)) for number in range(1, MOST_WEIGHT + 1)]
        return forms.TypedChoiceField(choices=choices, coerce=int, label=f"Weight of {label.lower()}")
    silent = "No floor" if name == "floors" else "Says nothing" if name != "oversight_limits" else "No limit"
    choices = [(0, silent), *(LEVELS[1:] if name == "floors" else LEVELS)]
    return forms.TypedChoiceField(choices=choices, coerce=int, initial=0, label=label)


def _start(name: str, at: int) -> forms.Field:
    if name == "thresholds":
        return forms.FloatField(label=f"Mean from which tier {at + 2} begins", min_value=1, max_value=4)
    return forms.IntegerField(label=f"Level {at + 2} from", min_value=1, max_value=100_000)


def _numbered(name: str, values: Sequence[float]) -> dict[str, float]:
    return {f"{name}.{at}": value for at, value in enumerate(values)}

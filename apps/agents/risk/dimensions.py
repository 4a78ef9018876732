"""The four dimensions of risk, each answered on a scale of 1 to 4, and the tiers that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

TIER_NAMES = {1: "Low", 2: "Medium", 3: "High", 4: "Critical"}
CERTIFICATION_FROM_TIER = 3


def needs_certification(tier: int | None) -> bool:
    """True when real work at this tier needs an active certification; risk nobody stated counts as high."""
    return tier is None or tier >= CERTIFICATION_FROM_TIER


def tier_words(tier: int | None) -> str:
    return "of unknown risk" if tier is None else f"tier {tier}"


@dataclass(frozen=True)
class Dimension:
    """One of the four questions, with what each of its levels means."""

    field: str
    name: str
    question: str
    levels: tuple[str, str, str, str]

    def meaning(self, level: int) -> str:
        return self.levels[level - 1]

    def choices(self) -> list[tuple[int, str]]:
        return [(number, f"{number} {text}") for number, text in enumerate(self.levels, start=1)]


DIMENSIONS = (
    Dimension(
        "data_sensitivity",
        "Data sensitivity",
        "What is the most sensitive data it can read or write?",
        (
            "Public data only",
            "Internal data",
            "Confidential or personal data",
            "Health, financial or special category data, or credentials",
        ),
    ),
    Dimension(
        "decision_authority",
        "Decision authority",
        "How far does it act without a person?",
        (
            "Informs; a person decides and acts",
            "Recommends or drafts; a person confirms",
            "Acts by itself, and what it does can be undone",
            "Acts by itself, and some of it cannot be undone",
        ),
    ),
    Dimension(
        "blast_radius",
        "Blast radius",
        "Who is affected when it goes wrong?",
        (
            "One person at a time",
            "A team or one process",
            "Many customers or a business line",
            "The whole enterprise or the public",
        ),
    ),
    Dimension(
        "regulatory_exposure",
        "Regulatory exposure",
        "Which rules does its work fall under?",
        (
            "None beyond good practice",
            "Internal policy or contract",
            "A regulated activity, or personal data at scale",
            "High risk under law, such as credit, hiring, health or safety",
        ),
    ),
)
FIELDS = tuple(dimension.field for dimension in DIMENSIONS)

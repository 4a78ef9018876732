"""The decision list of the EU AI Act (Regulation (EU) 2024/1689 as amended by Regulation (EU) 2026/1744).

In order: scope (Articles 2 and 3(1)), role (3(3), 3(4), 25(1)), prohibited practices (5(1)), products (6(1), Annex I),
areas of use (6(2), Annex III), derogation (6(3)), transparency (50), otherwise minimal. A question is asked only while its
answer can still change the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from apps.agents.ai_act.questionnaire import Question, Stage, questionnaire


class Outcome(StrEnum):
    OUT_OF_SCOPE = "out_of_scope"
    PROHIBITED = "prohibited"
    ANNEX_I = "high_risk_annex_i"
    ANNEX_III = "high_risk_annex_iii"
    TRANSPARENCY = "transparency"
    MINIMAL = "minimal"


OUTCOME_WORDS = {
    Outcome.OUT_OF_SCOPE: "Out of scope", Outcome.PROHIBITED: "Prohibited practice", Outcome.ANNEX_I: "High risk, a product of Annex I",
    Outcome.ANNEX_III: "High risk, a use of Annex III", Outcome.TRANSPARENCY: "Transparency duties", Outcome.MINIMAL: "Minimal risk",
}  # fmt: skip
# The class on record: both kinds of high risk are one there.
CLASS_OF = {
    Outcome.OUT_OF_SCOPE: "out_of_scope", Outcome.PROHIBITED: "prohibited", Outcome.ANNEX_I: "high_risk",
    Outcome.ANNEX_III: "high_risk", Outcome.TRANSPARENCY: "limited", Outcome.MINIMAL: "minimal",
}  # fmt: skip
DUTY_WORDS = {
    "art50_1": "Tell people that they deal with an AI system (Art. 50(1))",
    "art50_2": "Mark what it generates so that machines can tell (Art. 50(2))",
    "art50_3": "Tell people that emotions or biometrics are read (Art. 50(3))",
    "art50_4": "Disclose deep fakes and published text (Art. 50(4))",
}
LITERACY = date(2025, 2, 2)
OLDER_FOR_AUTHORITIES = date(2030, 8, 2)
MARKED_BY_OLDER = date(2026, 12, 2)


@dataclass(frozen=True)
class Step:
    """One stage as it went: what it came to, and the answers that made it so."""

    stage: str
    words: str
    because: tuple[str, ...] = ()


@dataclass(frozen=True)
class Applies:
    """A duty and the day from which it binds."""

    day: date
    words: str

    def is_upcoming(self, today: date) -> bool:
        return self.day > today


@dataclass(frozen=True)
class Walk:
    """How far the answers lead. `asked` are the questions that mattered, answered or not, in order; `open` those of the
    stage reached that wait for an answer. Without `outcome` it is not decided yet. `stages` and `dates` are those of the day
    it was concluded; None: today's."""

    asked: tuple[Question, ...]
    open: tuple[Question, ...]
    stage: Stage | None
    steps: tuple[Step, ...]
    roles: tuple[str, ...] = ()
    outcome: Outcome | None = None
    duties: tuple[str, ...] = ()
    area: str = ""
    derogation: str = ""
    stages: tuple[Stage, ...] | None = None
    dates: tuple[Applies, ...] | None = None

    @property
    def role(self) -> str:
        return "both" if len(self.roles) == 2 else next(iter(self.roles), "none")

    @property
    def applies(self) -> tuple[Applies, ...]:
        """What binds it from when, the earliest first; nothing while undecided or out of scope."""
        return tuple(sorted(_applies(self), key=lambda one: one.day)) if self.dates is None else self.dates


class _Open(Exception):
    """A stage waits for answers: the walk ends here for now."""


@dataclass
class _Walker:
    answers: Mapping[str, bool]
    asked: list[Question] = field(default_factory=list)
    open: list[Question] = field(default_factory=list)
    stage: Stage | None = None
    steps: list[Step] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    duties: list[str] = field(default_factory=list)
    outcome: Outcome | None = None
    area: str = ""
    derogation: str = ""

    def enter(self, key: str) -> Sequence[Question]:
        self.stage = questionnaire().stage(key)
        return self.stage.questions

    def answer(self, question: Question) -> bool | None:
        """The answer; where there is none yet the question is open, and the stage ends with it."""
        self.asked.append(question)
        said = self.answers.get(question.id)
        if said is None:
            self.open.append(question)
        return said

    def first_yes(self, questions: Sequence[Question]) -> Question | None:
        """The first that is answered yes; the others do not matter then. Without a yes the walk ends where answers are
        missing."""
        for question in questions:
            if self.answer(question):
                self.open.clear()
                return question
        self.settle()
        return None

    def settle(self) -> None:
        """End the walk where a question of the stage is open."""
        if self.open:
            raise _Open

    def came_to(self, words: str, *because: str) -> None:
        assert self.stage is not None
        self.steps.append(Step(self.stage.key, words, because))


def walk(answers: Mapping[str, bool]) -> Walk:
    """Where these answers, by question id, lead. Answers to questions that do not matter are not looked at."""
    walker = _Walker(answers)
    try:
        walker.outcome = _outcome(walker)
    except _Open:
        pass
    else:
        walker.stage = None
    mattering = [one for one in walker.asked if one.id in answers or one in walker.open]
    return Walk(
        tuple(mattering), tuple(walker.open), walker.stage, tuple(walker.steps), tuple(walker.roles), walker.outcome,
        tuple(walker.duties), walker.area, walker.derogation,
    )  # fmt: skip


def most_left(answers: Mapping[str, bool]) -> int:
    """How many questions are still to come where no further answer catches: none prohibited, none high risk."""
    quiet = {one: one in ("S1", "S2", "R1", "R2") for one in questionnaire().questions}
    return len(walk(quiet | dict(answers)).asked) - sum(one.id in answers for one in walk(answers).asked)


def _outcome(walker: _Walker) -> Outcome:
    if not _is_in_scope(walker):
        return Outcome.OUT_OF_SCOPE
    _find_roles(walker)
    banned = walker.first_yes(walker.enter("prohibited"))
    if banned:
        walker.came_to(f"{banned.reference} bans it", banned.id)
        return Outcome.PROHIBITED
    walker.came_to("None of the practices of Article 5(1)")
    high = _high_risk(walker)
    _find_duties(walker)
    if high:
        return high
    return Outcome.TRANSPARENCY if walker.duties else Outcome.MINIMAL


def _is_in_scope(walker: _Walker) -> bool:
    """Scope questions are decisive one by one: no to the first two, yes to the third."""
    for question, leaves in zip(walker.enter("scope"), (False, False, True), strict=True):
        if walker.answer(question) is leaves:
            walker.open.clear()
            walker.came_to("The Regulation does not bind it", question.id)
            return False
    walker.settle()
    walker.came_to("An AI system with a link to the Union and no exempt use")
    return True


def _find_roles(walker: _Walker) -> None:
    """A deployer becomes a provider by its own name, a substantial change or a new purpose (Article 25(1)): asked only of
    who is no provider already."""
    built, used, became = walker.enter("role")
    is_provider, is_deployer = walker.answer(built), walker.answer(used)
    if is_provider is False:
        is_provider = walker.answer(became)
    walker.settle()
    walker.roles += ["provider"] * bool(is_provider) + ["deployer"] * bool(is_deployer)
    walker.came_to(" and ".join(walker.roles).capitalize() or "Neither provider nor deployer")


def _high_risk(walker: _Walker) -> Outcome | None:
    product, assessed = walker.enter("high_risk_annex_i")
    if walker.answer(product) is not False:
        walker.answer(assessed)
    walker.settle()
    if walker.answers[product.id] and walker.answers[assessed.id]:
        walker.came_to(
            "A product of Annex I that a third party must assess (Art. 6(1))", product.id, assessed.id
        )
        return Outcome.ANNEX_I
    walker.came_to("No product of Annex I that a third party must assess")
    use = walker.first_yes(walker.enter("high_risk_annex_iii"))
    if use is None:
        walker.came_to("None of the uses of Annex III")
        return None
    walker.area = use.area
    walker.came_to(f"A use of {use.reference}", use.id)
    return None if _is_derogated(walker) else Outcome.ANNEX_III


def _is_derogated(walker: _Walker) -> bool:
    """Article 6(3): no profiling, no significant risk or sway, and one of the four narrow tasks."""
    profiles, weighs, *narrow = walker.enter("derogation")
    caught = walker.first_yes((profiles, weighs))
    if caught:
        walker.came_to(f"No derogation: {caught.reference}", caught.id)
        return False
    task = walker.first_yes(narrow)
    if task is None:
        walker.came_to(
            "No derogation: it is none of the four narrow tasks of Art. 6(3)", *(one.id for one in narrow)
        )
        return False
    walker.derogation = task.reference
    walker.came_to(f"Derogated by {task.reference}: not high risk", profiles.id, weighs.id, task.id)
    return True


def _find_duties(walker: _Walker) -> None:
    """Asked of the role that a duty binds; of all where no role is known."""
    binding = [one for one in walker.enter("transparency") if not walker.roles or one.binds in walker.roles]
    found = [one for one in binding if walker.answer(one)]
    walker.settle()
    walker.duties += [one.duty for one in found]
    words = " and ".join(one.reference for one in found)
    walker.came_to(f"Duties of {words}" if found else "No duty of Article 50", *(one.id for one in found))


def _applies(walk: Walk) -> Sequence[Applies]:
    if walk.outcome in (None, Outcome.OUT_OF_SCOPE):
        return []
    found = [Applies(LITERACY, "People around it understand it (Art. 4)")]
    if walk.outcome == Outcome.PROHIBITED:
        banned = walk.asked[-1]
        return [*found, Applies(banned.applies_from or LITERACY, f"The ban of {banned.reference}")]
    stages = {key: questionnaire().stage(key).questions[0].applies_from or LITERACY for key in
              ("high_risk_annex_i", "high_risk_annex_iii", "transparency")}  # fmt: skip
    if walk.outcome in (Outcome.ANNEX_I, Outcome.ANNEX_III):
        found.append(
            Applies(stages[walk.outcome], "The duties of high-risk systems (Chapter III, Sections 1 to 3)")
        )
        found.append(
            Applies(
                OLDER_FOR_AUTHORITIES, "The same for older systems meant for public authorities (Art. 111(2))"
            )
        )
    if walk.derogation:
        words = "The reasoned assessment is on file and registered (Art. 6(4), 49(2))"
        found.append(Applies(stages["high_risk_annex_iii"], words))
    found += [Applies(stages["transparency"], DUTY_WORDS[duty]) for duty in walk.duties]
    if "art50_2" in walk.duties:
        found.append(
            Applies(
                MARKED_BY_OLDER, "The mark of Art. 50(2) on systems of before 2 August 2026 (Art. 111(4))"
            )
        )
    return found

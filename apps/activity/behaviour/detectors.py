"""The detectors by name: what each looks at, in words, and how grave what it finds is. Data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NEEDS_REQUEST: Final = "Silent where the client does not send the person's request."


@dataclass(frozen=True)
class DetectorWords:
    """A detector for people: `title` is what it finds, `words` how it tells; `still_told`, of stretches, what it tells
    though a lower level was called fine."""

    name: str
    title: str
    severity: str
    words: str
    still_told: str = ""


DETECTORS: Final[tuple[DetectorWords, ...]] = (
    DetectorWords("effect", "Said done, did not happen", "critical",
        "A call reported success, and the read-back declared of its tool shows that what it says did not happen."),
    DetectorWords("instruction", "Follows an instruction found in a result", "critical",
        f"The call means what a sentence in an earlier tool result tells the agent to do. {NEEDS_REQUEST}"),
    DetectorWords("provenance", "Arguments nobody asked for", "high",
        f"Values that stand in no request, above all those that came from an instruction in a result. {NEEDS_REQUEST}"),
    DetectorWords("distance", "Far from the request", "high",
        f"The meaning of the call against the nearest part of the request, by embeddings. {NEEDS_REQUEST}"),
    DetectorWords("new_tool", "New tool", "high", "A tool this agent was never seen to call."),
    DetectorWords("new_operation", "New operation", "medium", "A known tool told to do something it never was."),
    DetectorWords("new_data_class", "New class of data", "high",
        "A tool on record for a class of data that none of its calls touched before."),
    DetectorWords("hand_over", "Hand-over to a stranger", "high", "It hands over to an agent it never handed over to."),
    DetectorWords("rare_transition", "Rare sequence", "low", "A tool that seldom or never follows the one before it."),
    DetectorWords("argument_shape", "New shape of arguments", "low",
        "A combination of arguments, or a kind of value, that the tool was never called with."),
    DetectorWords("argument_range", "Argument out of range", "medium",
        "A figure, a length or a number of items outside what was seen, by how far."),
    DetectorWords("loop", "Loop", "medium", "The same call over and over, more often in a row than ever."),
    DetectorWords("night_work", "Night work", "low", "A call between 22:00 and 06:00 UTC of an agent that rests then."),
    DetectorWords("latency_shift", "Slower than ever", "low", "A call that took longer than any before, by how much."),
    DetectorWords("volume", "More calls than usual", "medium", "The hour that runs, against the hours before it.",
        "An hour well above it is told again."),
    DetectorWords("error_rate", "More failures than usual", "medium",
        "The newest 20 calls against the share that usually fails.",
        "A larger share is told again, and always when nearly all fail."),
    DetectorWords("silence", "Silence", "medium", "No call where its usual hours would have brought some.",
        "A longer one is told again, and always one of more than three and a half days."),
)  # fmt: skip
BY_NAME: Final[Mapping[str, DetectorWords]] = {one.name: one for one in DETECTORS}

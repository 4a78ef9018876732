"""What an agent may do about an answer, in words that a model can follow."""

from __future__ import annotations

from typing import Final

STEPS: Final[dict[str, tuple[str, str]]] = {
    "kill_switch": ("stop", "Stop. Everything of this kind is stopped; do not look for another way."),
    "breaker": (
        "stop",
        "Stop. This agent is stopped until an administrator resets it; tell the person you act for.",
    ),
    "lifecycle": ("stop", "Stop. This agent is not in a state to act; tell its owner."),
    "certification": ("stop", "Stop. Its certification has to be renewed first; tell its owner."),
    "tool": ("wait", "Use another tool, or wait until a person has reviewed this one's definition."),
    "grant": ("request", "Do without this tool, or have its owner ask for a grant of it."),
    "policy": (
        "change",
        "Change the call so that it keeps to the reason given, or do without it. Do not repeat it as it is.",
    ),
    "oversight": (
        "hand_over",
        "Leave this to a person: say what you would have done, and go on with the rest.",
    ),
    "budget": ("wait", "Wait until the window has moved on, or go on without such calls."),
    "approval": ("ask_again", "Ask again without the approval: the call is then judged anew."),
}
WAIT: Final = (
    "wait",
    "A person has to decide. Wait for the approval, or go on with other work and make the same call again later.",
)


def steps_after(outcome: str, code: str) -> list[dict[str, str]]:
    """None where the call may simply be made."""
    if outcome in ("allow", "notify"):
        return []
    do, words = WAIT if outcome == "ask" else STEPS.get(code.partition(".")[0], STEPS["policy"])
    return [{"do": do, "words": words}]

"""Where did it go wrong: how well the ranking finds the decisive mistake that people found.

    python bench/blame.py              5 times 10-fold cross-validation over the 126 failed sessions
    python bench/blame.py --quick      once 10-fold
    python bench/blame.py --weights    prints the table of weights fitted on all sessions, as it stands in the code

Data: open/whoandwhen_open.jsonl.gz. Every figure of the ranking is out of fold: the weights that ranked a session were
fitted without it, by the same features and the same formula as in the product. Keys: `agent_top1`, `step_top1`,
`agent_top3`, `step_top3` (all sessions, whether or not the ranking abstains), `calibration_error` (expected
calibration error of the first step's probability, ten bins of equal width), `agent_calibration_error`, `abstained` (share of
sessions), `step_top1_when_named` (those it does not abstain on), `step_top1_late` (mistakes of the third step or later,
where guessing a place early finds nothing). Beside them the naive guesses: `random_*`, `first_speaker_agent`,
`most_frequent_speaker_agent`, `last_speaker_agent`, `second_step`, `last_step`. `shipped_*`: the weights as shipped, which
have seen these sessions: no measure of quality, only of agreement with the fitted ones.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from scipy.optimize import minimize

from apps.activity.chains.acts import acts_of
from apps.activity.chains.blame import WEIGHTS, Suspect, by_agent, is_flat, probabilities, rank, score
from apps.activity.chains.build import build_chain
from apps.activity.chains.signals import NAMES, signals_of
from apps.activity.chains.steps import Kind, Step
from bench.rig import arguments, data_folder, result, say

FILE = "open/whoandwhen_open.jsonl.gz"
FOLDS, ROUNDS = 10, 5
PENALTY, AGENT_SHARE = 10.0, 0.5
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Session:
    """A failed session: its steps, one row of signals a step, and where people found the mistake."""

    steps: list[Step]
    request: str
    signals: np.ndarray
    agents: list[str]
    mistake: int

    @property
    def guilty(self) -> str:
        return self.agents[self.mistake]


def sessions(path: Path) -> list[Session]:
    with gzip.open(path, "rt") as file:
        return [_session(json.loads(line)) for line in file]


def _session(row: dict[str, Any]) -> Session:
    steps = [
        Step(
            f"t{at}",
            Kind.DECISION,
            step["agent"],
            step["agent"],
            BEGIN + timedelta(seconds=at),
            said=step["text"],
        )
        for at, step in enumerate(row["steps"])
    ]
    figures = signals_of(acts_of(steps), row["question"])
    table = np.array([[one[name] for name in NAMES] for one in figures])
    return Session(steps, row["question"], table, [step.agent for step in steps], int(row["mistake_step"]))


def fit(taught: Sequence[Session]) -> dict[str, float]:
    """Weights by which the mistakes of these sessions are likeliest; in the signals' own units."""
    spread = np.concatenate([one.signals for one in taught]).std(axis=0) + 1e-6
    places = Counter(one.mistake for one in taught)
    importance = np.array([places[one.mistake] ** -0.5 for one in taught])
    importance /= importance.mean()
    rows = [
        (one.signals / spread, one.mistake, np.array([name == one.guilty for name in one.agents]), weight)
        for one, weight in zip(taught, importance, strict=True)
    ]
    found = minimize(
        _loss, np.zeros(len(NAMES)), args=(rows,), jac=True, method="L-BFGS-B", options={"maxiter": 100}
    )
    return dict(zip(NAMES, (found.x / spread).tolist(), strict=True))


def _loss(weights: np.ndarray, rows: list[Any]) -> tuple[float, np.ndarray]:
    loss, slope = PENALTY / 2 * weights @ weights, PENALTY * weights
    for table, mistake, guilty, importance in rows:
        shares = np.array(probabilities((table @ weights).tolist()))
        mean, of_agent = shares @ table, shares[guilty].sum()
        loss -= importance * (np.log(shares[mistake] + 1e-12) + AGENT_SHARE * np.log(of_agent + 1e-12))
        slope -= importance * (table[mistake] - mean)
        slope -= importance * AGENT_SHARE * (shares[guilty] @ table[guilty] / of_agent - mean)
    return float(loss), slope


@dataclass
class Found:
    """What the ranking said of one session, and what was right."""

    step_rank: int
    agent_rank: int
    step_share: float
    agent_share: float
    abstains: bool
    is_late: bool


def ranked(one: Session, weights: dict[str, float]) -> Found:
    shares = probabilities(
        [score(dict(zip(NAMES, row, strict=True)), weights) for row in one.signals.tolist()]
    )
    suspects = [Suspect(at, one.agents[at], share, ()) for at, share in enumerate(shares)]
    suspects.sort(key=lambda suspect: -suspect.probability)
    agents = by_agent(suspects)
    return Found(
        [suspect.at for suspect in suspects].index(one.mistake),
        [name for name, _ in agents].index(one.guilty),
        suspects[0].probability,
        agents[0][1],
        is_flat([suspect.probability for suspect in suspects]),
        one.mistake >= 2,
    )


def cross_validated(all_sessions: Sequence[Session], rounds: int) -> list[Found]:
    found = []
    for seed in range(rounds):
        order = np.random.RandomState(seed).permutation(len(all_sessions))
        for fold in range(FOLDS):
            held = set(order[fold::FOLDS].tolist())
            weights = fit([one for at, one in enumerate(all_sessions) if at not in held])
            found += [ranked(all_sessions[at], weights) for at in sorted(held)]
        say(f"round {seed + 1} of {rounds}: step_top1 {_share(one.step_rank == 0 for one in found)}")
    return found


def naive(all_sessions: Sequence[Session]) -> dict[str, float]:
    """Guesses that read nothing."""
    common = [Counter(one.agents).most_common(1)[0][0] for one in all_sessions]
    return {
        "random_agent": _mean([1 / len(set(one.agents)) for one in all_sessions]),
        "random_step": _mean([1 / len(one.agents) for one in all_sessions]),
        "first_speaker_agent": _share(one.agents[0] == one.guilty for one in all_sessions),
        "most_frequent_speaker_agent": _share(
            name == one.guilty for name, one in zip(common, all_sessions, strict=True)
        ),
        "last_speaker_agent": _share(one.agents[-1] == one.guilty for one in all_sessions),
        "second_step": _share(one.mistake == 1 for one in all_sessions),
        "last_step": _share(one.mistake == len(one.agents) - 1 for one in all_sessions),
    }


def quality(found: Sequence[Found]) -> dict[str, float]:
    named = [one for one in found if not one.abstains]
    late = [one for one in found if one.is_late]
    return {
        "agent_top1": _share(one.agent_rank == 0 for one in found),
        "step_top1": _share(one.step_rank == 0 for one in found),
        "agent_top3": _share(one.agent_rank < 3 for one in found),
        "step_top3": _share(one.step_rank < 3 for one in found),
        "calibration_error": _calibration([(one.step_share, one.step_rank == 0) for one in found]),
        "agent_calibration_error": _calibration([(one.agent_share, one.agent_rank == 0) for one in found]),
        "abstained": _share(one.abstains for one in found),
        "step_top1_when_named": _share(one.step_rank == 0 for one in named),
        "step_top1_when_abstained": _share(one.step_rank == 0 for one in found if one.abstains),
        "step_top1_late": _share(one.step_rank == 0 for one in late),
        "agent_top1_late": _share(one.agent_rank == 0 for one in late),
    }


def _calibration(told: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """Expected calibration error: |mean probability - share that was right|, weighted by the size of each bin."""
    error = 0.0
    for at in range(bins):
        inside = [one for one in told if min(int(one[0] * bins), bins - 1) == at]
        if inside:
            gap = abs(sum(share for share, _ in inside) - sum(right for _, right in inside))
            error += gap / len(told)
    return round(error, 4)


def shipped(all_sessions: Sequence[Session]) -> dict[str, float]:
    """The product's own way from steps to ranking, end to end."""
    rankings = [rank(build_chain(one.steps), one.request) for one in all_sessions]
    pairs = list(zip(rankings, all_sessions, strict=True))
    return {
        "shipped_agent_top1_in_sample": _share(told.agents[0][0] == one.guilty for told, one in pairs),
        "shipped_step_top1_in_sample": _share(told.suspects[0].at == one.mistake for told, one in pairs),
    }


def _share(hits: Any) -> float:
    return _mean([float(hit) for hit in hits])


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


def main() -> int:
    parser = arguments(__doc__ or "")
    parser.add_argument("--weights", action="store_true", help="print the weights fitted on all sessions")
    given = parser.parse_args()
    folder = data_folder()
    if folder is None or not (folder / FILE).exists():
        say(f"no {FILE} in CHANCERY_DATA or beside the project: nothing is measured")
        result(skipped=True)
        return 0
    all_sessions = sessions(folder / FILE)
    say(f"{len(all_sessions)} sessions, {len(NAMES)} signals")
    if given.weights:
        print(json.dumps({name: round(weight, 3) for name, weight in fit(all_sessions).items()}, indent=4))
        return 0
    found = cross_validated(all_sessions, 1 if given.quick else ROUNDS)
    figures = quality(found) | naive(all_sessions)
    if WEIGHTS:
        figures |= shipped(all_sessions)
    result(**figures, sessions=len(all_sessions))
    return 0


if __name__ == "__main__":
    sys.exit(main())

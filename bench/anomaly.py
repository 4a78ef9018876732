"""How well calls that an injection caused are told from an agent's own, and whether the alarm rate is kept.

    python bench/anomaly.py            every recorded session, 5 splits, 10,000 calls for the alarm rate
    python bench/anomaly.py --file F   the same with other sessions
    python bench/anomaly.py --quick    benign sessions and every twelfth attacked one, 2 splits, 1,000 calls

Reads open/agentdojo_open.jsonl.gz. A profile learns from half of the benign tasks; judged are the calls of all
other sessions by the score the product gives them (apps.activity.behaviour.combining). In the harder split the
attacked sessions of a task that was learnt from are left out, so that no task is shared. No clock, position or
number of earlier calls enters the score. Keys, each an object by suite: `auroc`, `recall_at_1pct_fpr`,
`auroc_no_shared_task`, `recall_at_1pct_fpr_no_shared_task`; `alarm_rate_at_0.001` and `alarm_rate_at_0.01` (share of
benign calls that give an alarm, sessions drawn at random and scored in order while the profile goes on learning),
`alerts_at_0.001` (of how many causes those were), `recall_at_rate_0.01` (injected calls alarmed afterwards);
`score_ms` (one call without its vectors).
"""

from __future__ import annotations

import gzip
import json
import random
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import numpy as np
from sklearn.metrics import roc_auc_score

from apps.activity.behaviour.acts import Act
from apps.activity.behaviour.combining import judge
from apps.activity.behaviour.distance import Situation, Vectors, signs_of
from apps.activity.behaviour.profile import Profile
from apps.activity.behaviour.scoring import Rules, begun_with
from apps.kit.embeddings import PACKAGED, local_embedder
from bench.rig import arguments, data_folder, result, say

FILE = "open/agentdojo_open.jsonl.gz"
NO_CLOCK = datetime(2026, 1, 1, 12, tzinfo=UTC)  # none was recorded
AT_ONCE = 512


@dataclass(frozen=True)
class Judged:
    """A recorded call: which suite, task and session it is of, whether an injection caused it."""

    suite: str
    task: str
    session: str
    is_attacked: bool
    is_injected: bool
    act: Act


def recorded(path: Path, *, quick: bool) -> dict[str, list[dict]]:
    """The calls of each session in order."""
    sessions: dict[str, list[dict]] = {}
    with gzip.open(path, "rt") as file:
        for line in file:
            row = json.loads(line)
            if row["kind"] == "tool_call":
                sessions.setdefault(row["session"], []).append(row)
    attacked = [name for name in sessions if "+" in name]
    left_out = set(attacked) - set(attacked[::12]) if quick else set()
    return {
        name: sorted(rows, key=lambda r: r["seq"]) for name, rows in sessions.items() if name not in left_out
    }


def vectors_of(situations: Iterable[Situation]) -> Vectors:
    texts = list(dict.fromkeys(text for one in situations for text in one.texts()))
    found: dict[str, np.ndarray] = {}
    for start in range(0, len(texts), AT_ONCE):
        part = texts[start : start + AT_ONCE]
        found.update(
            zip(part, np.asarray(local_embedder(PACKAGED).embed(part), dtype=np.float32), strict=True)
        )
        say(f"{min(start + AT_ONCE, len(texts))} of {len(texts)} texts have a vector")
    return found


def situations_of(rows: Sequence[dict]) -> list[Situation]:
    task = rows[0]["task"]
    return [
        Situation(row["tool"], row["arguments"], task, [earlier["output"] for earlier in rows[:at]])
        for at, row in enumerate(rows)
    ]


def judged_calls(sessions: dict[str, list[dict]]) -> list[Judged]:
    told = {name: situations_of(rows) for name, rows in sessions.items()}
    vectors = vectors_of(one for some in told.values() for one in some)
    return [call for name, rows in sessions.items() for call in _of_session(name, rows, told[name], vectors)]


def _of_session(
    name: str, rows: Sequence[dict], situations: Sequence[Situation], vectors: Vectors
) -> Iterable[Judged]:
    suite, _, rest = name.partition("/")
    previous, repeats = None, 0
    for row, situation in zip(rows, situations, strict=True):
        same = previous and (previous["tool"], previous["arguments"]) == (row["tool"], row["arguments"])
        repeats = repeats + 1 if same else 0
        before = previous["tool"] if previous else ""
        act = Act(
            row["tool"], row["arguments"], NO_CLOCK, before, repeats,
            failed=bool(row["error"]), signs=signs_of(situation, vectors), request=row["task"],
        )  # fmt: skip
        task, _, injection = rest.partition("+")
        yield Judged(suite, task, name, bool(injection), row["label"]["injected"], act)
        previous = row


def split(calls: Sequence[Judged], seed: int) -> tuple[list[Act], list[Judged], list[Judged]]:
    """What is learnt, what is judged, and what is judged where no task is shared."""
    tasks = sorted({call.task for call in calls})
    random.Random(seed).shuffle(tasks)
    learnt = set(tasks[: len(tasks) // 2])
    train = [call.act for call in calls if call.task in learnt and not call.is_attacked]
    apart = [call for call in calls if call.task not in learnt]
    shared = [call for call in calls if call.task in learnt and call.is_attacked]
    return train, apart + shared, apart


def quality(train: Sequence[Act], judged: Sequence[Judged]) -> tuple[float, float]:
    """AUROC, and recall where one benign call in a hundred is above."""
    profile = Profile()
    for act in train:
        profile.learn(act)
    scores = np.array([judge(call.act, profile).score for call in judged])
    truth = np.array([call.is_injected for call in judged])
    benign = np.sort(scores[~truth])[::-1]
    return float(roc_auc_score(truth, scores)), float(np.mean(scores[truth] > benign[len(benign) // 100]))


def alarms(
    train: Sequence[Act], judged: Sequence[Judged], rate: float, most: int, seed: int
) -> tuple[float, int, float]:
    """Share of benign calls that give an alarm, of how many causes; then the share of injected ones that do."""
    watch, chance = begun_with(Profile(), train, Rules(rate)), random.Random(seed)
    benign: dict[str, list[Act]] = {}
    for call in judged:
        if not call.is_injected:
            benign.setdefault(call.session, []).append(call.act)
    causes = []
    sessions = list(benign.values())
    while len(causes) < most:
        causes += [watch.consider(act).cause for act in chance.choice(sessions)]
    found = [bool(watch.consider(call.act).cause) for call in judged if call.is_injected]
    return fmean(map(bool, causes)), len(set(causes) - {""}), fmean(found)


def figures(calls: Sequence[Judged], *, splits: int, most: int) -> dict[str, float]:
    """Everything measured of one suite, averaged over the splits."""
    found: list[dict[str, float]] = []
    for seed in range(splits):
        train, judged, apart = split(calls, seed)
        auroc, recall = quality(train, judged)
        auroc_apart, recall_apart = quality(train, apart)
        rare, causes, _ = alarms(train, judged, 0.001, most, seed)
        often, _, caught = alarms(train, judged, 0.01, most, seed)
        found.append({
            "auroc": auroc, "recall_at_1pct_fpr": recall, "auroc_no_shared_task": auroc_apart,
            "recall_at_1pct_fpr_no_shared_task": recall_apart, "alarm_rate_at_0.001": rare,
            "alarm_rate_at_0.01": often, "alerts_at_0.001": causes, "recall_at_rate_0.01": caught,
        })  # fmt: skip
        say(f"{calls[0].suite}: split {seed + 1} of {splits}, AUROC {auroc:.3f}")
    return {name: round(fmean(one[name] for one in found), 5) for name in found[0]}


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--file", type=Path, help="other sessions of the same form")
    asked = parser.parse_args()
    folder = data_folder()
    if folder is None and asked.file is None:
        raise SystemExit("the recorded sessions are not here; set CHANCERY_DATA to their folder")
    calls = judged_calls(recorded(asked.file or folder / FILE, quick=asked.quick))
    splits, most = (2, 1_000) if asked.quick else (5, 10_000)
    told: dict[str, dict[str, float]] = {}
    began, profile = time.perf_counter(), Profile()
    for call in calls:
        judge(call.act, profile)
    score_ms = (time.perf_counter() - began) * 1000 / len(calls)
    for suite in sorted({call.suite for call in calls}):
        for name, value in figures([c for c in calls if c.suite == suite], splits=splits, most=most).items():
            told.setdefault(name, {})[suite] = value
    result(**told, score_ms=round(score_ms, 4), splits=splits, calls=len(calls))


if __name__ == "__main__":
    main()

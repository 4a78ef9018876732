"""Seconds until Chancery is usable: from nothing (cold) and on a second start (warm).

    python bench/start.py             both; cold makes a new virtual environment in a temporary copy
    python bench/start.py --quick     warm only; cold_s is null

Cold counts `make up` in a fresh copy of the tracked files with whatever package cache the machine has. Keys:
cold_s, warm_s.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.rig import ROOT, arguments, launch, result, say, wait_ready
from config.embedded.state import any_free_port

COLD_WITHIN_S = 900


def warm() -> float:
    """The second start in one state folder."""
    took, port = 0.0, any_free_port()
    with tempfile.TemporaryDirectory(prefix="chancery-bench-", ignore_cleanup_errors=True) as name:
        for attempt in ("first", "second"):
            started = time.monotonic()
            launcher = launch(Path(name), port)
            try:
                wait_ready(port, launcher)
                took = time.monotonic() - started
                say(f"{attempt} start: {took:.1f} s")
            finally:
                launcher.send_signal(signal.SIGTERM)
                launcher.wait(120)
    return took


def cold() -> float:
    """`make up` in a copy of the tracked files, until it answers."""
    with tempfile.TemporaryDirectory(prefix="chancery-cold-", ignore_cleanup_errors=True) as name:
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", name], input=archive, check=True)
        environment = {
            k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
        }
        started, port = time.monotonic(), any_free_port()
        making = subprocess.Popen(
            ["make", "up"],
            cwd=name,
            env=environment | {"CHANCERY_PORT": str(port)},
            stdout=sys.stderr,
            start_new_session=True,
        )
        try:
            while not _answers(port):
                if making.poll() is not None or time.monotonic() - started > COLD_WITHIN_S:
                    raise SystemExit("`make up` did not come up in a fresh copy")
                time.sleep(0.2)
            return time.monotonic() - started
        finally:
            os.killpg(making.pid, signal.SIGTERM)
            making.wait(120)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    warm_s = warm()
    result(cold_s=None if given.quick else round(cold(), 1), warm_s=round(warm_s, 1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

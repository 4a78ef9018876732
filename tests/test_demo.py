"""`make demo` does the main job with live agents, as the readme says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from config.embedded.state import is_free

ROOT = Path(__file__).resolve().parent.parent
STORY = (
    "nobody answers for it yet", "The curator adopted it", "Move to production is refused", "Compliance certified it",
    "refund_agent is in production", "refund_agent is stopped",
)  # fmt: skip
WITHIN_S = 300


def test_the_demo_tells_its_story_to_the_end(tmp_path: Path) -> None:
    port = next(port for port in range(8400, 8500) if is_free(port))
    environment = {
        k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
    }
    environment |= {"CHANCERY_STATE_DIR": str(tmp_path), "CHANCERY_PORT": str(port), "COLUMNS": "400"}
    told = tmp_path / "told.txt"
    with told.open("wb") as file:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "config.launch", "demo"],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=file,
        )
    try:
        deadline = time.monotonic() + WITHIN_S
        while STORY[-1] not in told.read_text() and time.monotonic() < deadline and launcher.poll() is None:
            time.sleep(0.5)
    finally:
        launcher.send_signal(signal.SIGTERM)
        status = launcher.wait(120)
    text = told.read_text()
    assert [line for line in STORY if line not in text] == [], text
    assert "Password    " in text
    assert status == 0
    assert "Stopped." in text

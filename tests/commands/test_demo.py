"""`pinfall demo` as people run it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.commands.process import environment, pinfall

pytestmark = pytest.mark.skipif(
    not os.environ.get("PINFALL_TEST_DEMO"),
    reason="plays in real seconds, about 80 of them: PINFALL_TEST_DEMO=1 runs it",
)


def test_it_tells_a_story_from_the_break_to_the_page() -> None:
    done = pinfall("demo", "--until", "page", "--installs", "200")
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    assert done.stderr == ""
    page = re.search(r"PAGE, (\d+) s after the break: (\d+) new installs failed pinning", told)
    assert page is not None, told
    assert int(page[1]) <= 90
    assert told.index("ROTATED") < told.index("installs failed") < told.index("PAGE")
    assert "next step 1" in told
    assert re.search(r"its page +http://127\.0\.0\.1:\d+/alerts/[0-9a-f]{32}", told)


def test_ctrl_c_ends_all_of_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "collector", "demo"], stdout=subprocess.PIPE, text=True,
        stderr=subprocess.PIPE, env=environment(), cwd="/",
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        for line in demo.stdout:
            if "begin to connect" in line:
                break
        time.sleep(1)
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert "Traceback" not in errors

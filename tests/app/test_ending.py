import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from unblur.app.ending import ends_soon

ROOT = Path(__file__).parents[2]
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals that ask another process to end")
STUBBORN = """
import signal, sys, time
from unblur.app.ending import ends_soon
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
with ends_soon(seconds={seconds}):
    try:
        print("ready", flush=True)
        {busy}
    finally:
        {clean}
"""


def ended(*, busy: str, clean: str, seconds: float = 0.2) -> int:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    code = STUBBORN.format(busy=busy, clean=clean, seconds=seconds)
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        return process.wait(60)


@needs_signals
def test_what_cannot_be_interrupted_is_ended():
    """A matching that takes for ever: Python's handler is not called before it is done."""
    assert ended(busy="while True: time.sleep(100)", clean="pass") == 143
    assert ended(busy="while True: time.sleep(100)", clean="time.sleep(1000)") == 143
    assert ended(busy="import threading; threading.Lock().acquire(); import re; re.match('(a+)+$', 'a' * 60 + 'b')", clean="pass") == 143


@needs_signals
def test_an_exit_of_its_own_comes_first():
    assert ended(busy="while True: time.sleep(0.01)", clean="import os; os._exit(7)", seconds=50) == 7


def test_it_leaves_nothing_behind_and_does_nothing_in_other_threads():
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with ends_soon():
        assert signal.set_wakeup_fd(-1) != before
    assert signal.set_wakeup_fd(before) == before
    deadline = time.monotonic() + 30
    while any(thread.name == "unblur-ending" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    failures: list[BaseException] = []

    def enter():
        try:
            with ends_soon():
                pass
        except BaseException as error:  # noqa: BLE001 - raised by the test
            failures.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert failures == []


@needs_signals
def test_a_training_ends_within_seconds_while_pairs_are_made(tmp_path):
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos/a.png"), np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8))
    changes = [
        "arguments={widths: [8, 12], blocks: [1, 1], motion_widths: [8, 12], motion_blocks: [1, 1]}",
        *[
            "batch=2",
            "data.pair_size=32",
            "crop=32",
            "steps=2",
            "precision=fp32",
            "workers=1",
            "data.pool_start=20000",
            "data.pool=20000",
            "validate_every=0",
        ],
    ]
    words = [
        "--photos",
        tmp_path / "photos",
        "--out",
        tmp_path / "run",
        "--cpu",
        *(word for change in changes for word in ("--set", change)),
    ]
    command = [sys.executable, "-m", "unblur.app", "train", "swift/stills", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([str(word) for word in command], env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert re.fullmatch(r"making pairs, \d+ of 20000\n", said), said + process.stderr.read()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143

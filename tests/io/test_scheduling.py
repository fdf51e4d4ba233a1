import os
import threading

import pytest
from av.codec import CodecContext
from clips import Clip, copy

from unblur.io.scheduling import THREADS, scheduling_kept

if not hasattr(os, "sched_setscheduler"):
    pytest.skip("there is no such call on this system", allow_module_level=True)


def is_real_time():
    """Whether any thread of this process is."""
    return any(os.sched_getscheduler(int(thread.name)) in (os.SCHED_FIFO, os.SCHED_RR) for thread in THREADS.iterdir())


def test_all_threads_are_as_the_calling_one_was():
    before, done = os.sched_getscheduler(0), threading.Event()
    with scheduling_kept():
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        thread = threading.Thread(target=done.wait)  # begins as the one that starts it
        thread.start()
        inside = os.sched_getscheduler(thread.native_id)
    after = {os.sched_getscheduler(0), os.sched_getscheduler(thread.native_id)}
    done.set()
    thread.join()
    assert (inside, after) == (os.SCHED_BATCH, {before})


def test_svt_av1_does_not_halt_everything_else():
    with scheduling_kept():
        encoder = CodecContext.create("libsvtav1", "w")
        encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = 64, 64, "yuv420p", 25
        encoder.open()
    assert not is_real_time()


def test_writing_a_clip_keeps_the_scheduling(tmp_path):
    path = Clip(encoder="libsvtav1", options={"preset": "12"}).make(tmp_path / "clip.mp4")
    copy(path, tmp_path / "out.mp4")
    assert not is_real_time()

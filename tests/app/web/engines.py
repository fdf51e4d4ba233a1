"""A stand-in for the networks of the page, which makes pictures darker at once, or as slowly as a test wants."""

import sys
import threading

import torch

from unblur.app.web.engine import Engine
from unblur.restore.batch import restore_job
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.drawing import heat
from unblur.restore.inspect import Drawing
from unblur.restore.precision import Setup
from unblur.restore.report import PhotoReport

__all__ = ["DarkEngine", "darker"]


def darker(pixels):
    """What the stand-in makes of a photo."""
    return pixels - pixels // 10


class DarkEngine(Engine):
    """Takes away a tenth.

    Attributes:
        gate: work goes on while it is set.
        frames: of clips that were restored by all calls.
    """

    def __init__(self, device="cpu"):
        super().__init__(device)
        self.gate = threading.Event()
        self.gate.set()
        self.frames = 0
        net = sys.modules["nets"].Darker()
        self.deblurrer = Deblurrer(net, setup=Setup(torch.device("cpu"), torch.float32), model="darker")

    def photo_seconds(self, pixels, *, quality):
        return {"best": 40.0, "good": 4.0, "fast": 1.0}[quality] * pixels / pixels

    def clip_seconds(self, pixels, *, quality):
        return 3 * self.photo_seconds(pixels, quality=quality)

    def expect(self, job, *, quality):
        return f"Blurred: {job.source.name}, {quality}."

    def photo(self, pixels, *, quality, check):
        while not self.gate.wait(0.01):
            check()
        check()
        return PhotoReport(darker(pixels), 0.0, 0, 0.0), f"taking {quality}"

    def clip(self, job, *, quality, options, progress, notify):
        del quality

        def waits(done, total):
            self.frames += 1
            while not self.gate.wait(0.01):
                progress(done, total)
            progress(done, total)

        return restore_job(self.deblurrer, job, options=options, progress=waits, notify=notify)

    def drawings(self, pixels, *, quality):
        return [Drawing("motion", f"lines of motion, {quality}", heat(pixels[..., 0], most=255.0))]

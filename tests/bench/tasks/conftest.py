"""A task whose reader needs no library: it sees whether a panel is free of noise, as sharp pictures are and blurry ones are not."""

import cv2
import numpy as np
import pytest

from unblur.bench.contender import Contender, Restored
from unblur.bench.cost import Cost
from unblur.bench.tasks.panel import OVERSAMPLING, Panel
from unblur.bench.tasks.readers import Task
from unblur.bench.tasks.score import character_accuracy


class Reader:
    """Reads `AB12` where many pixels are exactly as their neighbours below and to the right, and `A` where they are not; counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, picture):
        self.calls += 1
        equal = (picture[:-1, :-1] == picture[1:, :-1]) & (picture[:-1, :-1] == picture[:-1, 1:])
        return "AB12" if equal.all(axis=2).mean() > 0.035 else "A"


def checkerboard(generator, size):
    """Black and white squares of 8 pixels with a border; the text is always the same, the size varies."""
    squares = int(generator.integers(4, 6))
    board = (np.indices((squares, squares)).sum(axis=0) % 2 * 255).astype(np.uint8)
    side = 8 * OVERSAMPLING * squares * size // 96
    pixels = cv2.resize(board, (side, side), interpolation=cv2.INTER_NEAREST)
    return Panel(np.repeat(pixels[..., None], 3, axis=2), "ab 12", 8.0)


@pytest.fixture
def reader():
    return Reader()


@pytest.fixture
def task(reader):
    return Task("text", "character accuracy", "fake 1.0", checkerboard, reader, character_accuracy)


class Oracle(Contender):
    """Gives the sharp picture of each blurry one of a source."""

    def __init__(self, source, *, name="oracle", frames=1, way="network"):
        super().__init__(
            name, system="oracle", sha256=name, arguments_sha256="", cost=Cost(0, 0, frames), device="cpu", precision="fp32", way=way
        )
        self.restored = 0
        self._pictures = [source.picture(number) for number in range(source.count)]

    def restore(self, pictures):
        for picture in pictures:
            self.restored += 1
            blurry = (picture * 255).round().astype(np.uint8)
            (sharp,) = (each.sharp for each in self._pictures if np.array_equal(each.blurry, blurry))
            yield Restored(sharp.astype(np.float32) / np.float32(255), 0.25, 0, 0.0)


@pytest.fixture
def oracle():
    return Oracle

"""Tasks: what is drawn, who reads it, and how a reading is scored.

The readers are libraries of others: RapidOCR with the models of PP-OCR for text, zxing-cpp for codes. Both come with all that they need and run
without a network. Their version is part of every row, since their readings differ.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unblur.bench.tasks.codes import draw_code
from unblur.bench.tasks.panel import Panel
from unblur.bench.tasks.score import character_accuracy, code_found
from unblur.bench.tasks.signs import draw_sign
from unblur.errors import InputError

__all__ = ["TASKS", "Task", "open_task"]

Bytes = NDArray[np.uint8]

TASKS = ("text", "codes")
"""Names of tasks."""


@dataclass(frozen=True)
class Task:
    """Something that is read in pictures.

    Attributes:
        name: `text` or `codes`.
        measure: what the score is called.
        reader: library and version.
        draw: draws a panel for a picture of a side, pixels.
        read: takes (H, W, 3) RGB, 8 bit, and gives the lines that were read, separated by line breaks; empty if nothing was.
        score: takes the truth and what was read, and gives a score in [0, 1].
    """

    name: str
    measure: str
    reader: str
    draw: Callable[[np.random.Generator, int], Panel]
    read: Callable[[Bytes], str]
    score: Callable[[str, str], float]


def open_task(name: str) -> Task:
    """Load the reader of a task.

    Raises:
        InputError: if there is no such task, or its library is not installed.
    """
    match name:
        case "text":
            rapidocr = _library("rapidocr", task=name)
            _library("onnxruntime", task=name)
            reader = _text_reader(rapidocr)
            draw_text = lambda generator, size: draw_sign(generator, size=size)  # noqa: E731
            return Task(name, "character accuracy", f"rapidocr {version('rapidocr')}", draw_text, reader, character_accuracy)
        case "codes":
            zxing = _library("zxingcpp", task=name)
            draw = lambda generator, size: draw_code(generator, write=_code_writer(zxing), size=size)  # noqa: E731
            return Task(name, "codes read", f"zxing-cpp {version('zxing-cpp')}", draw, _code_reader(zxing), code_found)
        case _:
            raise InputError(f"there is no task `{name}`; choose from {', '.join(TASKS)}")


def _library(name: str, *, task: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        text = f"the task `{task}` needs the library `{name}`, which cannot be imported here ({error}); `pip install 'unblur[tasks]'`"
        raise InputError(text) from error


def _text_reader(rapidocr: Any) -> Callable[[Bytes], str]:  # noqa: ANN401 - a library without types
    """RapidOCR with its own settings, on as many threads as torch; lines from top to bottom."""
    threads = torch.get_num_threads()
    settings = {"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": threads}
    engine = rapidocr.RapidOCR(params=settings)

    def read(picture: Bytes) -> str:
        found = engine(np.ascontiguousarray(picture[..., ::-1]))
        if not found.txts:
            return ""
        middles = [float(np.asarray(box)[:, 1].mean()) for box in found.boxes]
        return "\n".join(text for _, text in sorted(zip(middles, found.txts, strict=True)))

    return read


def _code_reader(zxing: Any) -> Callable[[Bytes], str]:  # noqa: ANN401 - a library without types
    def read(picture: Bytes) -> str:
        bgr = np.ascontiguousarray(picture[..., ::-1])
        return "\n".join(code.text for code in zxing.read_barcodes(bgr))

    return read


def _code_writer(zxing: Any) -> Callable[[str, str], tuple[str, Bytes]]:  # noqa: ANN401 - a library without types
    def write(content: str, kind: str) -> tuple[str, Bytes]:
        code = zxing.create_barcode(content, getattr(zxing.BarcodeFormat, kind))
        return code.text, np.array(code.to_image(scale=1), np.uint8)

    return write

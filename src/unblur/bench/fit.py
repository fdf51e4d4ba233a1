"""Whether methods, data and protocols fit together, before hours are spent on measuring."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from unblur.bench.datasets import DataSet
from unblur.errors import InputError
from unblur.metrics import Protocol

__all__ = ["Method", "check_fit", "header_size"]

_SHOWN = 8  # faults that are named


@dataclass(frozen=True)
class Method:
    """What is known of a method before it is loaded.

    Attributes:
        name: as it was asked for.
        frames: that go in for one that comes out.
    """

    name: str
    frames: int


def check_fit(methods: Sequence[Method], plan: Sequence[tuple[DataSet, Protocol]]) -> None:
    """See that every method can be measured on every data set by its protocol.

    Args:
        methods: those whose frames are known.
        plan: data sets, each with a protocol by which it is measured.

    Raises:
        InputError: if a network of several frames meets data without clips, a picture with several truths a protocol for one, a sequence is
            too short for a protocol, or a picture or its truth is missing or of another size; the message names each fault.
    """
    data_sets = {data.name: data for data, _ in plan}
    faults = [
        f"`{method.name}` looks at {method.frames} frames, but `{data.name}` has no clips: put the frames of each clip into a folder of its own"
        for data in data_sets.values()
        for method in methods
        if method.frames > 1 and not data.clips
    ]
    for data, protocol in plan:
        several = next((sample for sample in data.samples if len(sample.sharp) > 1), None)
        if several is not None and not protocol.several_truths:
            faults.append(f"`{several.reference}` has {len(several.sharp)} truths; measure it by `kohler`, not by `{protocol.name}`")
        for sequence, samples in data.sequences().items():
            try:
                protocol.frames.select(len(samples))
            except InputError as error:
                faults.append(f"`{sequence}` of `{data.name}` by `{protocol.name}`: {error}")
    for data in data_sets.values():
        faults += _odd_pictures(data)
    if faults:
        more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise InputError("nothing was measured: " + "; ".join([*faults[:_SHOWN], *more]))


def _odd_pictures(data: DataSet) -> list[str]:
    """What is missing, or not of the size of its truth."""
    faults: list[str] = []
    for sample in data.samples:
        missing = [path for path in (sample.reference, *sample.sharp) if not path.is_file()]
        faults += [f"`{path}` is missing" for path in missing]
        sizes = {header_size(path) for path in (sample.reference, sample.sharp[0])} - {None} if not missing else set()
        if len(sizes) > 1:
            faults.append(f"`{sample.reference}` and its truth `{sample.sharp[0]}` differ in size")
    return faults


def header_size(path: Path) -> tuple[int, int] | None:
    """Width and height by the head of a file; None if that takes more than reading it."""
    try:
        with Image.open(path) as picture:
            return picture.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return None

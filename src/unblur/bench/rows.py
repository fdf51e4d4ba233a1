"""What a run writes: JSON lines, one a picture, besides one a model, one a clip and one a reading, whole whenever it is stopped."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from unblur.errors import InputError
from unblur.io.whole import output_error

__all__ = ["FILE", "ClipRow", "ModelRow", "PictureRow", "Row", "TaskRow", "Way", "append", "read_rows", "which"]

FILE = "rows.jsonl"

Way = Literal["network", "tool", "alone", "results"]


def which(
    model_sha256: str, device: str, precision: str, way: Way, self_ensemble: int, *, arguments_sha256: str, version: str
) -> tuple[str, ...]:
    """What was measured, by which program: what differs in it is never averaged together, nor taken for measured."""
    return (
        model_sha256,
        device,
        precision,
        way,
        arguments_sha256,
        version,
        *([f"self-ensemble of {self_ensemble}"] if self_ensemble > 1 else ()),
    )


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    model: str
    """What was measured, as it was asked for."""
    model_sha256: str
    """SHA-256 of the file of weights, of the averaged tensors of a run, or of all pictures of a data set that another program restored; empty for the blurry input itself."""
    arguments_sha256: str
    """SHA-256 of the arguments of the network, on which the result of the same weights depends; empty for the blurry input and networks of others."""
    version: str
    """Version of this package, which measured the row."""
    device: str
    precision: str
    way: Way
    """The network itself; or as `unblur restore` uses it, with tiles and fail-safe; or of a network of several frames, each frame
    alone, with copies of it in place of its neighbours; or pictures that another program restored, of which time and memory are not known."""
    self_ensemble: int = 1
    """Mirrored and turned views of which the mean is taken."""

    @property
    def which(self) -> tuple[str, ...]:
        """What was measured: rows that differ in it are never averaged together."""
        arguments, version = self.arguments_sha256, self.version
        return which(
            self.model_sha256, self.device, self.precision, self.way, self.self_ensemble, arguments_sha256=arguments, version=version
        )


class ModelRow(_Line):
    """A model of the run."""

    kind: Literal["model"] = "model"
    system: str
    """Name of the network; `blurry` for the input itself."""
    parameters: int
    multiply_adds: int
    """For one frame of 1280x720, of convolutions and matrix products."""
    frames: int
    """Frames that go in for one that comes out."""
    torch: str


class PictureRow(_Line):
    """A picture, measured."""

    kind: Literal["picture"] = "picture"
    data: str
    sequence: str
    frame: int
    name: str
    """Name of the blurry file."""
    blurry_sha256: str
    """SHA-256 of the blurry file; for a network of several frames, of all frames of the clip in their order."""
    sharp_sha256: str
    """SHA-256 of the sharp picture, or of several in their order."""
    protocol: str
    width: int
    height: int
    measures: dict[str, float]
    before: dict[str, float]
    """Measures of the protocol for the blurry picture, by the same names."""
    extras: dict[str, float] = {}
    """Measures that belong to no protocol, by name and, of a library, its version."""
    seconds: float
    """Wall time from decoded to restored pixels; for a network of several frames, the time of the clip divided by the number of its frames."""
    peak_bytes: int
    """The most memory that tensors held at any moment while the first picture of this size was restored."""
    kept_input: float
    """Share of the area where the fail-safe kept the input."""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes a row the same as another: it need not be made again, unless extras are missing from it."""
        picture = (self.data, self.sequence, self.frame, self.blurry_sha256, self.sharp_sha256)
        return ("picture", *self.which, self.protocol, *picture)


class ClipRow(_Line):
    """A clip, measured over time."""

    kind: Literal["clip"] = "clip"
    data: str
    sequence: str
    blurry_sha256: str
    """SHA-256 of the blurry frames in their order."""
    sharp_sha256: str
    """SHA-256 of the sharp frames in their order."""
    warping_error: float
    """Guided by the sharp clip; see `unblur.metrics.warping_error`."""
    warping_error_sharp: float
    """Warping error of the sharp clip, along the same flow."""
    visible: float

    @property
    def key(self) -> tuple[object, ...]:
        """What makes a row the same as another."""
        return ("clip", *self.which, self.data, self.sequence, self.blurry_sha256, self.sharp_sha256)


class TaskRow(_Line):
    """A picture in which something was read: blurry, restored and sharp."""

    kind: Literal["task"] = "task"
    task: str
    """`text` or `codes`."""
    measure: str
    """What the scores are called."""
    reader: str
    """Library and version."""
    data: str
    """Size and seed of drawn pictures, or the folder of photos."""
    name: str
    blurry_sha256: str
    """SHA-256 of the pixels of the blurry picture."""
    sharp_sha256: str
    """SHA-256 of the pixels of the sharp picture; empty if there is none."""
    width: int
    height: int
    length: float | None
    """Arc of the camera trajectory over the exposure, pixels; None if it is not known."""
    detail: float | None
    """Height of capital letters, or side of a code's module, pixels."""
    text: str
    """What is to be read."""
    read_blurry: str
    read_restored: str
    read_sharp: str | None
    blurry: float
    """Score of what was read in the blurry picture, in [0, 1]."""
    restored: float
    sharp: float | None
    seconds: float
    """Wall time of restoring the picture, seconds."""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes a row the same as another."""
        return ("task", *self.which, self.task, self.reader, self.data, self.name, self.blurry_sha256, self.sharp_sha256, self.text)


Row = ModelRow | PictureRow | ClipRow | TaskRow
_ROW: TypeAdapter[Row] = TypeAdapter(Annotated[Row, Field(discriminator="kind")])


def append(run: Path, rows: Iterable[Row]) -> None:
    """Add rows to a run and make sure that they are on the disk.

    Raises:
        OutputError: if they cannot be written, as on a full disk.
    """
    try:
        with (run / FILE).open("a", encoding="utf-8") as file:
            for row in rows:
                file.write(row.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise output_error(run / FILE, error, elsewhere="name another folder; the rows before are whole") from error


def read_rows(run: Path, *, mend: bool = False) -> list[Row]:
    """Read the rows of a run.

    Args:
        run: its folder.
        mend: take a last line that was broken off, by a crash, out of the file; otherwise it is passed over.

    Raises:
        InputError: if the folder holds no run, or a line other than a broken last one does not fit.
    """
    path = run / FILE
    if not path.is_file():
        raise InputError(f"`{run}` holds no run: it has no `{FILE}`; make one with `unblur bench`")
    content = path.read_bytes()
    whole, newline, rest = content.rpartition(b"\n")
    if rest and mend:
        with path.open("r+b") as file:
            file.truncate(len(whole) + len(newline))
    rows: list[Row] = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            rows.append(_ROW.validate_json(line))
        except ValidationError as error:
            raise InputError(f"`{path}`, line {number}, is no row of this version: {error.errors()[0]['msg']}") from error
    return rows

"""What became of files, clips and pictures: what `unblur.restore` and the methods of a `Deblurrer` give back."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image as PillowImage
    from torch import Tensor

__all__ = ["Outcome", "PhotoReport", "Picture", "Report", "VideoReport", "kept_input_note"]

Picture = TypeVar("Picture", "NDArray[Any]", "PillowImage.Image", "Tensor")
"""A picture in memory."""


@dataclass(frozen=True)
class PhotoReport(Generic[Picture]):
    """What was done with a picture in memory.

    Attributes:
        picture: restored, of the kind and type that was given.
        kept_input: share of the area where the fail-safe kept the input; of a batch, the mean.
        skipped_sharp: pictures that were sharp and were left as they are; of a batch, how many.
        network_seconds: how long the network was at work.
    """

    picture: Picture
    kept_input: float
    skipped_sharp: int
    network_seconds: float


@dataclass(frozen=True)
class VideoReport:
    """What was done with a clip.

    Attributes:
        frames: frames of the restored clip.
        seconds: wall time.
        network_seconds: part of it that the network was at work.
        kept_input: share of the area, over the frames restored now, where the fail-safe kept the input.
        resumed_after: frames that an earlier call had restored before it was stopped; this one went on after them.
        warnings: what the user should know, each a sentence.
    """

    frames: int
    seconds: float
    network_seconds: float
    kept_input: float
    resumed_after: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of one file, or of one picture in memory.

    Attributes:
        source: the file; None for a picture in memory.
        status: `done`, `skipped` (its result was there already) or `failed` (`message` says why).
        target: where the result is.
        kind: `photo` or `video`; empty if that is not known.
        frames: of the result, 1 for a photo.
        resumed_after: frames of a clip that an earlier call had restored before it was stopped.
        seconds: wall time.
        message: why it failed or was skipped.
        warnings: what the user should know, each a sentence.
        model: name of the built-in weights, or path of the others, that restored it.
        scale: of the photo that the network saw.
    """

    source: Path | None
    status: Literal["done", "skipped", "failed"]
    target: Path | None = None
    kind: Literal["", "photo", "video", "folder"] = ""
    frames: int = 0
    resumed_after: int = 0
    seconds: float = 0.0
    message: str = ""
    warnings: tuple[str, ...] = ()
    model: str = ""
    scale: float = 1.0


@dataclass(frozen=True)
class Report:
    """What became of all that `unblur.restore` was given.

    Attributes:
        outcomes: one for each file, in order, or one for a picture in memory.
        picture: the restored picture, if one in memory was given, of the same kind.
    """

    outcomes: tuple[Outcome, ...]
    picture: Any = field(default=None, repr=False, compare=False)

    @property
    def target(self) -> Path | None:
        """Where the result is, if there is only one."""
        return self.outcomes[0].target if len(self.outcomes) == 1 else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of all outcomes, in their order."""
        return tuple(warning for outcome in self.outcomes for warning in outcome.warnings)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The outcomes of files that could not be restored."""
        return self.with_status("failed")

    def with_status(self, status: Literal["done", "skipped", "failed"]) -> tuple[Outcome, ...]:
        """The outcomes with a status."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == status)


def kept_input_note(share: float) -> str:
    """What to say where the fail-safe has kept the input, by its share of the area, 0 to 1."""
    return f"the network's result looked wrong on {100 * share:.1f} % of the area; the input was kept there"

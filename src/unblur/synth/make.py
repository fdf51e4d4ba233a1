"""From a plan to a data set on disk, with a manifest that says how each picture came about.

The manifest holds the version of `unblur`, the seed, all parameters, each source's name and SHA-256, each pair's origin,
what was left out and why, and a SHA-256 of all files: what two networks were trained on can be compared. Names of sources are file names without their folders, so that a manifest tells nothing about
the machine that it was made on.
"""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from unblur.synth.folder import MANIFEST, DataSetFolder
from unblur.synth.plans import Plan, Progress, Written

__all__ = ["Made", "join", "make", "make_part"]


@dataclass(frozen=True)
class Made:
    """What came out: pairs and sequences written, exposures left out by reason, and sources that failed, with the reason."""

    pairs: int
    sequences: int
    left_out: Counter[str] = field(default_factory=Counter)
    failed: tuple[tuple[Path, str], ...] = ()


def make(plan: Plan, target: Path, *, version: str, split: str = "train", progress: Progress | None = None) -> Made:
    """Make a GoPro data set; a source that cannot be used is counted and named, and the others go on.

    Args:
        plan: of what, and how.
        target: folder to be made.
        version: of `unblur`, for the manifest.
        split: `train` or `test`.
        progress: called with what is being done.

    Raises:
        InputError: if an argument is out of range, or no pair can be made; nothing is written then.
        OutputError: if `target` cannot be written.
    """
    plan.check()
    with DataSetFolder(target, split=split) as folder:
        written = plan.write(folder, parts=range(plan.parts), progress=progress)
        return _described(plan, written, folder=folder, version=version)


def make_part(plan: Plan, place: Path, *, parts: range, split: str = "train", progress: Progress | None = None) -> None:
    """Make some parts of a data set in a folder of their own, for `join`; one that is there is whole, and is left as it is.

    Args:
        plan: of the whole data set.
        place: folder to be made.
        parts: which.
        split: `train` or `test`.
        progress: called with what is being done.

    Raises:
        UnblurError: as by `Plan.write`.
    """
    if (place / MANIFEST).is_file():
        return
    shutil.rmtree(place, ignore_errors=True)  # what is left of a part that was moved
    with DataSetFolder(place, split=split) as folder:
        folder.describe(asdict(plan.write(folder, parts=parts, progress=progress)))


def join(plan: Plan, places: Sequence[Path], *, folder: DataSetFolder, version: str) -> Made:
    """Make a data set, byte for byte that of `make`, of all of its parts, which are moved into it.

    Args:
        plan: of the data set.
        places: folders of the parts, in their order.
        folder: the data set.
        version: of `unblur`, for the manifest.

    Raises:
        InputError: if no pair was made, or the sources have changed meanwhile.
        OutputError: if the data set cannot be written.
    """
    parts = [Written(**json.loads((place / MANIFEST).read_text())) for place in places]
    written = plan.joined(parts)
    plan.manifest(written)  # what is wrong is found before anything is moved
    for place in places:
        folder.take(place)
    return _described(plan, written, folder=folder, version=version)


def _described(plan: Plan, written: Written, *, folder: DataSetFolder, version: str) -> Made:
    folder.describe({"unblur": version, **plan.manifest(written), "sha256": folder.digest()})
    failed = tuple((Path(path), message) for path, message in written.failed)
    return Made(written.pairs, len(written.sequences), Counter(written.left_out), failed)

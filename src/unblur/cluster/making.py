"""`unblur synth` on a cluster: a unit is a clip, or a few draws.

A unit makes its part of the data set in a folder of its own beside the data set, which appears when it is whole, so that the next attempt or the next command finds
it. When all are there, they are moved into the data set, whose bytes are those of one machine: random numbers are seeded by the plan's seed and the number of
the clip or draw.
"""

import functools
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unblur.cluster.results import HANG_AFTER, results_of
from unblur.cluster.schedule import Frames, Say, Work, unseen_message
from unblur.errors import InputError, UnblurError
from unblur.io.whole import make_folder
from unblur.synth.folder import DataSetFolder
from unblur.synth.make import Made, join, make_part
from unblur.synth.plans import Plan

__all__ = ["MakeWork", "make_on_cluster"]


@dataclass(frozen=True)
class MakeWork(Work):
    """Some parts of a data set.

    Attributes:
        plan: of the whole data set, that can be carried out anywhere.
        split: `train` or `test`.
        parts: which.
        place: folder to be made.
    """

    plan: Plan
    split: str
    parts: range
    place: Path

    def run(self, say: Say, *, attempt: int) -> UnblurError | None:
        """Make the parts of the data set in `place`; the result is None, or what is wrong with the sources or the storage."""
        del attempt  # what is there is whole
        if not self.place.parent.is_dir():
            return InputError(unseen_message(self.place.parent, what="sources and data set"))
        try:
            make_part(
                _kept(self.plan),
                self.place,
                parts=self.parts,
                split=self.split,
                progress=lambda what, done, total: say(Frames(done if what == "drawing" else 0, total)),
            )
        except UnblurError as error:
            return error
        return None


def make_on_cluster(
    plan: Plan,
    target: Path,
    *,
    version: str,
    address: str,
    split: str = "train",
    threads: int = 1,
    hang_after: float = HANG_AFTER,
    progress: Callable[[int, int], None] | None = None,
) -> Made:
    """Make a data set on a cluster, byte for byte that of `unblur.synth.make.make`.

    Args:
        plan: of what, and how.
        target: folder to be made.
        version: of `unblur`, for the manifest.
        address: see `unblur.cluster.connect.connected`.
        split: `train` or `test`.
        threads: processors of each worker.
        hang_after: seconds after which a unit that reports nothing is tried elsewhere.
        progress: called with how many clips or draws are done, and how many there are.

    Raises:
        UnblurError: what `make` raises, or if a unit was lost in every attempt. Parts that are whole are kept, and the same call
            goes on from there.
    """
    plan.check()
    target = target.absolute()
    asked = hashlib.sha256(repr((plan.anywhere(Path()), split, version)).encode()).hexdigest()[:16]
    kept = target.with_name(f".{target.name}.parts-{asked}")
    ranges = plan.units()
    anywhere = plan.anywhere(kept / "frames")
    with DataSetFolder(target, split=split) as folder:
        make_folder(kept)
        works = [MakeWork(anywhere, split, parts, kept / f"{parts.start:06d}") for parts in ranges]
        results_of(
            works,
            names=[f"the part of `{target.name}` from number {parts.start}" for parts in ranges],
            counts=[len(parts) for parts in ranges],
            address=address,
            threads=threads,
            gpus=False,
            hang_after=hang_after,
            progress=progress,
        )
        try:
            made = join(plan, [work.place for work in works], folder=folder, version=version)
        except InputError:  # the same parts would give it again
            shutil.rmtree(kept)
            raise
    shutil.rmtree(kept)
    return made


@functools.lru_cache(maxsize=1)
def _kept(plan: Plan) -> Plan:
    """The plan that this process has been given first, which has read its pictures."""
    return plan

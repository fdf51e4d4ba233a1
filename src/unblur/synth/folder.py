"""A data set on disk, in the layout of GoPro: `SPLIT/SEQUENCE/{blur or blur_gamma, sharp}/000000.png`, with a manifest.

The folder appears under its name when it is whole. `blur_gamma` holds pictures averaged in linear light, `blur` those
averaged as file values, as in the data set of Nah et al. (CVPR 2017); `motion` holds exact motion fields, where there are any.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unblur.errors import InputError, OutputError
from unblur.io.image import Image, write_image
from unblur.io.whole import output_error
from unblur.synth.response import LINEAR, Response

__all__ = ["MANIFEST", "DataSetFolder", "blur_folder"]

MANIFEST = "manifest.json"


def blur_folder(response: Response) -> str:
    """Name of the folder of blurry pictures: `blur` if they were averaged as file values, else `blur_gamma`."""
    return "blur" if response == LINEAR else "blur_gamma"


class DataSetFolder:
    """Context manager that writes a data set beside its place and moves it there when the block ends well.

    Args:
        target: folder to be made; it may exist if it is empty.
        split: `train` or `test`.

    Raises:
        OutputError: if `target` exists and is not an empty folder, or cannot be written.
        InputError: if `split` is neither.
    """

    def __init__(self, target: Path, *, split: str = "train") -> None:
        if split not in ("train", "test"):
            raise InputError(f"a GoPro data set has the splits train and test, not `{split}`")
        self.target = target
        self.count = 0
        """Pairs written so far."""
        self._split = split
        self._manifest: Mapping[str, Any] = {}
        self._partial: Path | None = None

    def __enter__(self) -> Self:
        if self.target.exists() and (not self.target.is_dir() or any(self.target.iterdir())):
            raise OutputError(f"`{self.target}` exists and is not an empty folder; choose another place with `--output`")
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self._partial = Path(tempfile.mkdtemp(prefix=f".{self.target.name}.", suffix=".partial", dir=self.target.parent))
        except OSError as error:
            raise output_error(self.target, error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._partial is not None
        try:
            if kind is None:
                (self._partial / MANIFEST).write_text(json.dumps(dict(self._manifest), indent=1) + "\n")
                self._partial.chmod(0o755)
                if self.target.exists():
                    self.target.rmdir()  # it is empty; not all systems replace an empty folder
                self._partial.replace(self.target)
        except OSError as failure:
            raise output_error(self.target, failure) from failure
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)

    def add(
        self,
        sequence: str,
        number: int,
        *,
        blurry: NDArray[np.uint8],
        sharp: NDArray[np.uint8],
        folder: str,
        motion: Mapping[str, NDArray[Any]] | None = None,
    ) -> str:
        """Write one pair, and return the name of its files.

        Args:
            sequence: name of a folder; made if missing.
            number: place in the sequence.
            blurry: (H, W, 3) RGB, 8 bit.
            sharp: its truth, of the same shape.
            folder: `blur` or `blur_gamma`, see `blur_folder`.
            motion: named arrays that are stored in `motion/NUMBER.npz`.
        """
        assert self._partial is not None
        name = f"{number:06d}"
        place = self._partial / self._split / sequence
        for kind, pixels in ((folder, blurry), ("sharp", sharp)):
            write_image(place / kind / f"{name}.png", Image(pixels))
        if motion is not None:
            (place / "motion").mkdir(exist_ok=True)
            try:
                np.savez_compressed(place / "motion" / f"{name}.npz", **motion)  # type: ignore[arg-type]
            except OSError as error:
                raise output_error(self.target, error) from error
        self.count += 1
        return f"{name}.png"

    def take(self, other: Path) -> None:
        """Move the sequences of another data set into this one; what is left of the other has no manifest.

        Args:
            other: its folder, on the same file system, with sequences of other names.
        """
        assert self._partial is not None
        try:
            (other / MANIFEST).unlink()
            for place in sorted(other.glob(f"{self._split}/*")):
                target = self._partial / self._split / place.name
                target.parent.mkdir(exist_ok=True)
                place.replace(target)
        except OSError as error:
            raise output_error(self.target, error) from error

    def digest(self) -> str:
        """SHA-256 of all files that were written and their names, in hexadecimal."""
        assert self._partial is not None
        total = hashlib.sha256()
        for path in sorted(path for path in (self._partial / self._split).rglob("*") if path.is_file()):
            total.update(f"{path.relative_to(self._partial).as_posix()}:{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        return total.hexdigest()

    def describe(self, manifest: Mapping[str, Any]) -> None:
        """Set what the manifest says: JSON-like values."""
        self._manifest = manifest

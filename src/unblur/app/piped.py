"""`-` in place of a file: a photo from standard input, and its result to standard output."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from unblur.errors import InputError

__all__ = ["DASH", "named", "piped"]

DASH = Path("-")
"""Standard input or output."""


def named(text: str) -> Path:
    """The path that an argument names. `./-`, which a path would make `-` of, is the file of that name.

    Example:
        >>> named("-") == DASH, named("./-") == DASH, named("./-").name, named("./a").name
        (True, False, '-', 'a')
    """
    path = Path(text)
    return path.absolute() if path == DASH and text != "-" else path


@contextmanager
def piped(inputs: Sequence[Path], output: Path | None, *, as_json: bool) -> Iterator[tuple[list[Path], Path | None]]:
    """Give inputs and output in which files stand for `-`; when the block ends, the result is copied to standard output if it should go there.

    A file named `-` is reached as `./-`.

    Args:
        inputs: as they were given.
        output: as it was given; for `-` the result has the format that it would have beside its source.
        as_json: whether standard output is taken by JSON.

    Raises:
        InputError: if `-` stands beside other inputs, for something else than a photo, or without an output, or the result cannot go to standard output.
    """
    from unblur.io.image import output_suffix
    from unblur.io.kind import kind_of

    if DASH not in inputs and output != DASH:
        yield list(inputs), output
        return
    if len(inputs) != 1:
        raise InputError("`-` stands for one photo; give no other input beside it, and one input for `--output -`")
    if output is None:
        raise InputError(
            "a photo from standard input has no name for its result; give `--output FILE`, or `--output -` for standard output"
        )
    if output == DASH and as_json:
        raise InputError("`--json` and `--output -` both go to standard output; leave one out")
    if output == DASH and sys.stdout.isatty():
        raise InputError("the result would go to the terminal; redirect it to a file or a program, or give `--output FILE`")
    with tempfile.TemporaryDirectory(prefix="unblur-") as folder:
        source = inputs[0]
        if source == DASH:
            source = Path(folder) / "stdin"
            with source.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        if kind_of(source) != "photo":
            raise InputError("`-` stands for a photo; give videos and folders by their names")
        target = Path(folder) / f"stdout{output_suffix(source)}" if output == DASH else output
        yield [source], target
        if output == DASH and target.exists():
            sys.stdout.buffer.write(target.read_bytes())
            sys.stdout.buffer.flush()

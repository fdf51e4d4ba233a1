"""Which files of a collection are read, which are refused and why, and that none ends the program.

    python -m benchmarks.corpus FOLDER... [--frames N] [--examples N] [--json]

Every file below the folders is taken: a photo is read with all its pages and written again in the format that `unblur` would write, without a network; of
an animation all frames are read, and of a video the first ones. Counted are

- read: with how many something was said that is not kept, or not as it was;
- refused: by reason, without paths and numbers, with examples; what is damaged is among them;
- passed over: neither a photo nor a video;
- crashed: ended by an error that is none of unblur's own. The exit code is 1 if there are any.
"""

import argparse
import contextlib
import json
import re
import tempfile
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from unblur.errors import UnblurError
from unblur.io.animation import animation_of, frames_of, is_animation
from unblur.io.image import check_target, output_suffix, read_image, write_image
from unblur.io.kind import kind_of
from unblur.io.video import VideoReader

__all__ = ["Findings", "main", "survey"]

NEITHER = "is neither a photo nor a video"


@dataclass
class Findings:
    """What became of files.

    Attributes:
        read: by kind, and suffix.
        said: sentences on what was not kept, without numbers.
        refused: paths by reason.
        passed_over: how many are neither photo nor video.
        crashed: tracebacks by path.
    """

    read: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    refused: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    passed_over: int = 0
    crashed: dict[str, str] = field(default_factory=dict)


def survey(files: Iterable[Path], *, frames: int) -> Findings:
    """Look at files one after the other.

    Args:
        files: of any kind.
        frames: of a video that are decoded.
    """
    found = Findings()
    for file in files:
        try:
            kind = "animation" if is_animation(file) else kind_of(file)
            said = {"photo": _photo, "animation": _animation}[kind](file) if kind != "video" else _video(file, frames)
        except UnblurError as error:
            if NEITHER in str(error):
                found.passed_over += 1
            else:
                found.refused[_reason(str(error))].append(str(file))
        except Exception:  # noqa: BLE001 - what this looks for
            found.crashed[str(file)] = traceback.format_exc()
        else:
            found.read[f"{kind} {file.suffix.lower()}".strip()] += 1
            found.said.update({_reason(sentence) for sentence in said})
    return found


def _photo(path: Path) -> tuple[str, ...]:
    image = read_image(path)
    with tempfile.TemporaryDirectory(prefix="unblur-") as folder:
        target = Path(folder) / f"result{output_suffix(path)}"
        check_target(target, image)
        return (*image.notes, *write_image(target, image))


def _animation(path: Path) -> tuple[str, ...]:
    about = animation_of(path)
    for _ in frames_of(about):
        pass
    return about.notes


def _video(path: Path, frames: int) -> tuple[str, ...]:
    with VideoReader(path) as clip:
        for _ in islice(clip, frames):
            pass
    return ()


def _reason(message: str) -> str:
    """A message without what differs from file to file."""
    return re.sub(r"\d+", "N", re.sub(r"`[^`]*`", "`…`", message))


def _show(found: Findings, *, examples: int) -> None:
    total = sum(found.read.values())
    print(f"read {total}")
    for kind, count in found.read.most_common():
        print(f"  {count:6d} {kind}")
    print(f"said of them, {sum(found.said.values())}")
    for sentence, count in found.said.most_common():
        print(f"  {count:6d} {sentence}")
    print(f"refused {sum(map(len, found.refused.values()))}")
    for reason, files in sorted(found.refused.items(), key=lambda each: -len(each[1])):
        print(f"  {len(files):6d} {reason}")
        for file in files[:examples]:
            print(f"           {file}")
    print(f"passed over {found.passed_over}")
    print(f"crashed {len(found.crashed)}")
    for file, trace in found.crashed.items():
        print(f"  {file}\n{trace}")


def main() -> None:
    """Survey the folders of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=5, help="of a video that are decoded")
    parser.add_argument("--examples", type=int, default=2, help="files that are named for each reason")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    files = sorted(path for folder in arguments.folders for path in ([folder] if folder.is_file() else folder.rglob("*")) if path.is_file())
    with contextlib.suppress(BrokenPipeError):
        found = survey(files, frames=arguments.frames)
        if arguments.json:
            print(json.dumps(vars(found), indent=2))
        else:
            _show(found, examples=arguments.examples)
    if found.crashed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

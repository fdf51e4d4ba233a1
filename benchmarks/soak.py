"""Whether anything is lost when restoring is killed over and over: files, frames, memory, open files.

A folder of small mixed files with one long clip in it (`benchmarks.mixed_files`) is restored once without disturbance. Then it is restored to another place,
by the same command, which is killed and given again, at times and by signals (SIGKILL, SIGTERM, SIGINT; on Windows SIGTERM, which kills there) that a seeded generator draws: one in
five while the program starts, the others while it works, for about half as long as the undisturbed run in all. The last time it runs to its end.

Lost is an input that has changed, a result that is missing, broken or other than that of the undisturbed run, a finished result or a finished
frame of the long clip that is gone after a kill, and a process that does not end within a minute of SIGTERM or SIGINT. Then the exit status is 1. Photos are
compared byte by byte; clips frame by frame, as Matroska gives each file a random identifier.

    PYTHONPATH=src OMP_NUM_THREADS=1 python -m benchmarks.soak --seed 0
"""

import argparse
import contextlib
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import av
import numpy as np

import unblur
from benchmarks.mixed_files import LONG_CLIP, make_files
from unblur.io.journal import FrameStore, Journal, frames_of, journal_of, work_of
from unblur.models.recurrent import RecurrentNet

CLIPS = {".mp4", ".mkv", ".mov"}
PATIENCE = 60.0
"""Seconds after SIGTERM or SIGINT in which the process has to end."""
SIGNALS = (signal.SIGTERM,) if sys.platform == "win32" else (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
"""Of which one is drawn. Windows has one that ends another process, and it does so at once."""


@dataclass
class Usage:
    """Resident memory in MiB and open files of a process, sampled while it works."""

    memory: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def sample(self, process: int) -> None:
        """Add what Linux says of a process; nothing elsewhere."""
        try:
            resident = Path(f"/proc/{process}/status").read_text().partition("VmRSS:")[2].split()
            files = len(os.listdir(f"/proc/{process}/fd"))  # noqa: PTH208 - names of descriptors, not paths
        except OSError:
            return
        if resident:  # not those of a process that has just ended
            self.memory.append(float(resident[0]) / 1024)
            self.files.append(files)

    def ends(self) -> tuple[str, str]:
        """Medians over the first and the last fifth of the samples, in words."""
        count = max(len(self.files) // 5, 1)
        words = [
            f"{statistics.median(self.memory[part]):.0f} MiB, {statistics.median(self.files[part]):.0f} files"
            if self.files
            else "not known"
            for part in (slice(count), slice(-count, None))
        ]
        return words[0], words[1]


@dataclass
class Run:
    """The command and what is known of its runs."""

    command: list[str]
    output: Path
    usage: Usage = field(default_factory=Usage)
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0
    starts_in: float = 0.0

    def to_its_end(self) -> None:
        """Let it run, and note what failed, the seconds until the first file of results was there, and the memory from then on."""
        began = time.monotonic()
        before = written(self.output)
        self.usage, self.starts_in = Usage(), 0.0
        with tempfile.TemporaryFile() as said, subprocess.Popen(self.command, stdout=said, stderr=subprocess.DEVNULL) as process:
            try:
                while process.poll() is None:
                    if not self.starts_in and written(self.output) != before:
                        self.starts_in = time.monotonic() - began
                    if self.starts_in:
                        self.usage.sample(process.pid)
                    time.sleep(0.1)
            finally:
                process.kill()
            self.seconds = time.monotonic() - began
            said.seek(0)
            outcomes = [json.loads(line) for line in said.read().splitlines()]
        self.failed = sorted(outcome["source"] for outcome in outcomes if outcome["status"] == "failed")

    def killed(self, *, after: float, by: signal.Signals, at_work: bool) -> float | None:
        """Start it and kill it.

        Args:
            after: seconds from its start, or with `at_work` from when it has written something.
            by: the signal.
            at_work: let it come to work first.

        Returns:
            seconds that it took to end; None if it had ended before.
        """
        with subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                before = written(self.output)
                while at_work and process.poll() is None and written(self.output) == before:
                    time.sleep(0.05)
                process.wait(after)
            except subprocess.TimeoutExpired:
                sent = time.monotonic()
                process.send_signal(by)
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    return PATIENCE
                return time.monotonic() - sent
            finally:
                process.kill()
        return None


@dataclass
class Toll:
    """What the kills have cost."""

    kills: dict[str, int] = field(default_factory=lambda: {each.name: 0 for each in SIGNALS})
    endured: float = 0.0
    vanished: set[str] = field(default_factory=set)
    lost_frames: int = 0


def main() -> None:
    """Parse the arguments, make the files, run, kill, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True, help="of the files, and of when the program is killed, and how")
    parser.add_argument("--files", type=int, default=300, help="beside the long clip")
    parser.add_argument("--frames", type=int, default=20000, help="of the long clip")
    parser.add_argument("--size", default="48x32", help="width x height of the frames")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--model", default="swift", help="photo weights, so that photos and clips go through them")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it is ignored, also by processes begun here
    width, height = (int(side) for side in arguments.size.split("x"))
    generator = np.random.default_rng(arguments.seed)
    is_recurrent = isinstance(unblur.load(arguments.model, device="cpu").net, RecurrentNet)
    with tempfile.TemporaryDirectory() as name:
        source, folder = Path(name) / "source", Path(name)
        make_files(source, count=arguments.files, frames=arguments.frames, size=(width, height), generator=generator)
        inputs = {path: digest(source / path) for path in names(source)}
        undisturbed, disturbed = (_run(source, folder / each, model=arguments.model) for each in ("undisturbed", "disturbed"))
        undisturbed.to_its_end()
        toll = _kill(disturbed, undisturbed, kills=arguments.kills, generator=generator)
        disturbed.to_its_end()
        changed = [path for path in inputs if not (source / path).is_file() or digest(source / path) != inputs[path]]
        print(
            f"{arguments.files} files and a clip of {arguments.frames} frames of {arguments.size}, {arguments.model}, seed {arguments.seed}\n"
        )
        lost = _report(undisturbed, disturbed, toll, changed=changed, is_recurrent=is_recurrent)
    if lost:
        sys.exit(f"lost: {', '.join(lost)}")


def _run(source: Path, output: Path, *, model: str) -> Run:
    command = [sys.executable, "-m", "unblur.app", "restore", str(source), "--output", str(output)]
    return Run([*command, "--model", model, "--single-scale", "--device", "cpu", "--threads", "1", "--json"], output)


def _kill(run: Run, undisturbed: Run, *, kills: int, generator: np.random.Generator) -> Toll:
    """Start and kill a run so often, and note after each time whether what was there still is."""
    toll, seen, kept = Toll(), set[str](), 0
    work = undisturbed.seconds - undisturbed.starts_in
    for number in range(kills):
        by = SIGNALS[int(generator.integers(len(SIGNALS)))]
        at_work = generator.random() >= 0.2
        after = generator.uniform(0, 1.25 * work / kills if at_work else undisturbed.starts_in)
        took = run.killed(after=after, by=by, at_work=at_work)
        if took is None:
            break
        toll.kills[by.name] += 1
        toll.endured = max(toll.endured, took)
        now, frames = names(run.output), kept_frames(run.output / LONG_CLIP)
        toll.vanished |= seen - now
        if str(LONG_CLIP) not in now:
            toll.lost_frames += max(kept - frames, 0)
            kept = frames
        seen = now
        print(
            f"{number + 1:4} {by.name} after {after:5.1f} s {'of work' if at_work else 'from its start'}: {len(now)} results, {frames} frames of the clip",
            file=sys.stderr,
            flush=True,
        )
    return toll


def _report(undisturbed: Run, disturbed: Run, toll: Toll, *, changed: list[str], is_recurrent: bool) -> list[str]:
    """Print the table; gives what was lost, in words."""
    wanted, there = names(undisturbed.output), names(disturbed.output)
    missing = sorted(wanted - there)
    frames = {path: _differing_frames(undisturbed.output / path, disturbed.output / path) for path in wanted & there if _is_clip(path)}
    others = [
        path
        for path in sorted(wanted & there)
        if not _is_clip(path) and digest(undisturbed.output / path) != digest(disturbed.output / path)
    ]
    left = sorted(names(disturbed.output, hidden=True) - there)
    first, last = disturbed.usage.ends()
    excused = " (a recurrent network: its state begins anew where a clip is gone on with)" if is_recurrent else ""
    rows = {
        "killed": ", ".join(f"{count} times by {name}" for name, count in toll.kills.items()),
        "longest until the process had ended": f"{toll.endured:.1f} s",
        "inputs changed": len(changed),
        "files lost": len(missing),
        "files that others failed on": len(set(undisturbed.failed) ^ set(disturbed.failed)),
        "finished files gone after a kill": len(toll.vanished),
        "finished frames gone after a kill": toll.lost_frames,
        "photos differing": len(others),
        "frames differing": f"{sum(frames.values())}{excused}",
        "files left over": len(left),
        "results, and inputs that cannot be restored": f"{len(wanted)}, {len(undisturbed.failed)}",
        "undisturbed, and the last stretch": f"{undisturbed.seconds:.0f} s, {disturbed.seconds:.0f} s",
        "at the start of the last stretch": first,
        "at its end": last,
    }
    for name, value in rows.items():
        print(f"{name:44} {value}")
    for path in [*changed, *missing, *others, *left, *(path for path, count in frames.items() if count)]:
        print(f"    {path}")
    lost = {
        "inputs": bool(changed),
        "files": bool(missing or toll.vanished or others or set(undisturbed.failed) ^ set(disturbed.failed)),
        "frames": bool(toll.lost_frames or (sum(frames.values()) and not is_recurrent)),
        "time, as the process did not end": toll.endured >= PATIENCE,
    }
    return [name for name, is_lost in lost.items() if is_lost]


def names(folder: Path, *, hidden: bool = False) -> set[str]:
    """Files below a folder, relative to it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and (hidden or not path.name.startswith("."))}


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of each file below a folder."""
    found = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # renamed meanwhile
            about = path.stat()
            found[str(path)] = about.st_size, about.st_mtime_ns
    return found


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def kept_frames(target: Path) -> int:
    """Finished frames of a clip that was stopped, in its journal and frame store."""
    work = work_of(target)
    if work is None:
        return 0
    journal, store = Journal(journal_of(target), work=work), FrameStore(frames_of(target), work=work)
    last = max(journal.pts, default=None)  # the times of this clip are those of its source
    return len(journal.pts) + sum(1 for _ in store.frames(after=last))


def _is_clip(path: str) -> bool:
    return Path(path).suffix in CLIPS


def _differing_frames(one: Path, other: Path) -> int:
    """Frames of two clips that differ in pixels or time, and frames that only one of them has."""
    return sum(first != second for first, second in zip_longest(_frames(one), _frames(other)))


def _frames(path: Path) -> Iterator[tuple[int | None, bytes]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.pts, hashlib.sha256(frame.to_ndarray().tobytes()).digest()


if __name__ == "__main__":
    main()

import os
import shutil
import struct
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import Clip, Sound, number_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from unblur.errors import OutputError, UnreadableError
from unblur.io import journal as journals
from unblur.io.journal import frames_of, journal_of
from unblur.io.segments import SegmentEncoder
from unblur.io.video import VideoReader, VideoWriter, verify_video

WORK = {"strength": 1.0, "model": "swift"}
RNG_STEPS = np.random.default_rng(0).integers(20, 120, 300)


class Stopped(Exception):  # noqa: N818
    """The user's Ctrl-C, or a power cut."""


@pytest.fixture(autouse=True)
def short_gops(monkeypatch):
    """So that some frames are enough to see several segments."""
    monkeypatch.setattr("unblur.io.encoders.KEY_EVERY", "12")


def copy(source: Path, target: Path, *, stop: int | None = None, work=WORK, **options) -> list[int]:
    """Copy a clip; gives the numbers of the frames that had to be written. With `stop`, break off after so many."""
    written = []
    with VideoReader(source) as clip, VideoWriter(target, clip, work=work, **options) as out:
        frames = clip if out.begin_at is None else clip.frames_from(out.begin_at)
        for frame in frames:
            if len(written) == stop:
                raise Stopped
            out.write(frame.pixels, frame)
            written.append(number_of(frame.pixels))
    return written


def packets(path: Path) -> dict[int, list[tuple[int, int, bytes]]]:
    with av.open(str(path)) as container:
        found = {}
        for packet in container.demux():
            if packet.size:
                found.setdefault(packet.stream.index, []).append((packet.pts, packet.duration, bytes(packet)))
    return found


def frames(path: Path) -> list[tuple[Fraction, int]]:
    with VideoReader(path) as clip:
        return [(frame.pts * clip.info.time_base, number_of(frame.pixels)) for frame in clip]


CLIPS = {
    "constant": (Clip(pts=range(0, 60 * 40, 40), sounds=[Sound(seconds=2.4)]), ".mp4"),
    "variable": (Clip(pts=[int(t) for t in np.cumsum(RNG_STEPS[:60])], sounds=[Sound(seconds=2.0), Sound("fra")]), ".mp4"),
    "first frame late, Matroska": (Clip(pts=range(400, 2800, 40), sounds=[Sound()]), ".mkv"),
    "h265": (Clip(pts=range(0, 60 * 40, 40), encoder="libx265", options={"x265-params": "log-level=error"}), ".mp4"),
    "vp9": (Clip(pts=range(0, 60 * 40, 40), encoder="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}), ".webm"),
    "av1": (Clip(pts=range(0, 60 * 40, 40), encoder="libsvtav1", options={"preset": "12"}), ".mp4"),
    "prores": (Clip(pts=range(0, 60 * 40, 40), encoder="prores_ks", pixel_format="yuv422p10le", options={}), ".mov"),
    "ffv1": (Clip(pts=range(0, 60 * 40, 40), encoder="ffv1", options={}), ".mkv"),
}


@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_that_was_stopped_is_gone_on_with(tmp_path, name):
    clip, suffix = CLIPS[name]
    source, target = clip.make(tmp_path / f"source{suffix}"), tmp_path / f"out{suffix}"
    whole = tmp_path / f"whole{suffix}"
    everything = copy(source, whole, work=None)
    with pytest.raises(Stopped):
        copy(source, target, stop=58)
    assert journal_of(target).exists()
    assert not target.exists()
    rest = copy(source, target)
    assert 0 < len(rest) < 58
    assert rest == everything[-len(rest) :]
    assert not journal_of(target).exists()
    assert frames(target) == frames(whole) == frames(source)
    assert packets(target) == packets(whole)
    if suffix in {".mp4", ".mov"}:  # Matroska gives each file a random identifier
        assert target.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, target.name, whole.name])


def test_it_may_be_stopped_again_and_again(tmp_path):
    source = Clip(pts=[int(t) for t in np.cumsum(RNG_STEPS[:200])], sounds=[Sound(seconds=2.0)]).make(tmp_path / "source.mp4")
    target = tmp_path / "out.mp4"
    begun = []
    for stop in (80, 80, 30):
        with pytest.raises(Stopped):
            copy(source, target, stop=stop)
        writer = VideoWriter(target, VideoReader(source), work=WORK)
        with pytest.raises(Stopped), writer:
            begun.append(writer.begin_at)
            raise Stopped
    copy(source, target)
    assert 0 < begun[0] < begun[1] < begun[2]  # of a run that has kept a segment, all frames are kept
    assert frames(target) == frames(source)


def test_a_short_clip_has_no_journal(tmp_path):
    source, target = Clip(pts=range(0, 400, 40)).make(tmp_path / "source.mp4"), tmp_path / "out.mp4"
    with pytest.raises(Stopped):
        copy(source, target, stop=9)
    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]


@pytest.mark.parametrize("change", ["work", "quality", "codec", "source"])
def test_other_work_begins_anew(tmp_path, change):
    source, target = CLIPS["constant"][0].make(tmp_path / "source.mp4"), tmp_path / "out.mp4"
    with pytest.raises(Stopped):
        copy(source, target, stop=58)
    if change == "source":
        source = Clip(pts=range(0, 60 * 40, 40), size=(48, 64)).make(tmp_path / "other.mp4")
    changes = {"work": {"work": WORK | {"strength": 0.5}}, "quality": {"quality": 50}, "codec": {"codec": "hevc"}}
    assert len(copy(source, target, **changes.get(change, {}))) == 60
    assert frames(target) == frames(source)
    assert not journal_of(target).exists()


@pytest.mark.parametrize("keep", [0, 3, 17, 40, 400, 0.5, 0.9, 0.999])
def test_what_was_cut_off_or_damaged_is_done_again(tmp_path, keep):
    source, target = CLIPS["constant"][0].make(tmp_path / "source.mp4"), tmp_path / "out.mp4"
    with pytest.raises(Stopped):
        copy(source, target, stop=58)
    data = journal_of(target).read_bytes()
    at = keep if isinstance(keep, int) else int(keep * len(data))
    journal_of(target).write_bytes(data[:at])
    assert len(copy(source, target)) >= 2
    assert frames(target) == frames(source)
    with pytest.raises(Stopped):
        copy(source, target, stop=58, overwrite=True)
    journal_of(target).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    copy(source, target, overwrite=True)
    assert frames(target) == frames(source)


def test_an_encoder_that_begins_otherwise_is_not_joined(tmp_path, monkeypatch):
    source, target = CLIPS["constant"][0].make(tmp_path / "source.mp4"), tmp_path / "out.mp4"
    with monkeypatch.context() as patch:
        patch.setattr(SegmentEncoder, "extradata", "00")
        with pytest.raises(Stopped):
            copy(source, target, stop=58)
    assert len(copy(source, target)) == 60
    assert frames(target) == frames(source)


def test_frames_from_elsewhere_are_refused(tmp_path):
    source, target = CLIPS["constant"][0].make(tmp_path / "source.mp4"), tmp_path / "out.mp4"
    with pytest.raises(Stopped):
        copy(source, target, stop=58)
    with (
        VideoReader(source) as clip,
        pytest.raises(OutputError, match="give the same command again"),
        VideoWriter(target, clip, work=WORK) as out,
    ):
        frame = list(clip)[-1]
        assert frame.pts > out.begin_at
        out.write(frame.pixels, frame)
    assert len(copy(source, target)) == 60


def test_a_part_of_a_clip(tmp_path):
    """Times of a preview begin at 0."""
    source, target = CLIPS["variable"][0].make(tmp_path / "source.mp4"), tmp_path / "out.mp4"

    def part(stop=None):
        with VideoReader(source, start=0.5, duration=3.0) as clip, VideoWriter(target, clip, work=WORK) as out:
            for number, frame in enumerate(clip if out.begin_at is None else clip.frames_from(out.begin_at)):
                if number == stop:
                    raise Stopped
                out.write(frame.pixels, frame)
        return number + 1, out.expected

    with pytest.raises(Stopped):
        part(36)
    done, expected = part()
    assert done < 36
    with VideoReader(source, start=0.5, duration=3.0) as clip:
        wanted = [(frame.pts * clip.info.time_base, number_of(frame.pixels)) for frame in clip]
    assert [(time + wanted[0][0], number) for time, number in frames(target)] == wanted
    verify_video(target, expected)


def test_a_failed_verification_leaves_no_journal(tmp_path, monkeypatch):
    source, target = CLIPS["constant"][0].make(tmp_path / "source.mp4"), tmp_path / "out.mp4"

    def forgetful(path, expected, *, name):
        expected.pts.append(expected.pts[-1] + 40)
        verify_video(path, expected, name=name)

    monkeypatch.setattr("unblur.io.video_writer.verify_video", forgetful)
    with pytest.raises(OutputError):
        copy(source, target)
    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]


# Files that are not what they seem


def stopped(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """A clip that was stopped after 20 frames, of which the journal holds 12 and the frame store 8."""
    monkeypatch.setattr(journals, "SAVE_EVERY", 0.0)
    source, target = CLIPS["constant"][0].make(tmp_path / "source.mp4"), tmp_path / "out.mp4"
    with pytest.raises(Stopped):
        copy(source, target, stop=20)
    return source, target


def records(data: bytes) -> list[bytes]:
    """The bodies of all records of a file."""
    at, found = data.index(b"\n") + 1, []
    while at < len(data):
        length, _ = journals._RECORD.unpack_from(data, at)
        found.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    return found


def assemble(data: bytes, bodies: list[bytes]) -> bytes:
    """The same file with other records, whose checksums are right."""
    return data[: data.index(b"\n") + 1] + b"".join(journals._packed(body) for body in bodies)


def swapped(bodies: list[bytes], place: int, body: bytes) -> list[bytes]:
    return [*bodies[:place], body, *bodies[place + 1 :]]


def packet(pts: int, dts: int, duration: int = 40, key: bool = True) -> bytes:
    return journals._PACKET.pack(b"P", pts, dts, duration, key) + b"data"


SENSELESS = {
    "empty record": lambda bodies: swapped(bodies, 5, b""),
    "short packet": lambda bodies: swapped(bodies, 5, b"P123"),
    "unknown kind": lambda bodies: swapped(bodies, 5, b"X" + bodies[5][1:]),
    "no JSON": lambda bodies: swapped(bodies, 0, b"{"),
    "no UTF-8": lambda bodies: swapped(bodies, 0, b"\xff"),
    "no object": lambda bodies: swapped(bodies, 0, b"[1]"),
    "deep JSON": lambda bodies: swapped(bodies, 0, b"[" * 100_000),
    "start without its values": lambda bodies: swapped(bodies, 1, b"{}"),
    "start of the wrong type": lambda bodies: swapped(bodies, 1, b'{"first": "0", "extradata": ""}'),
    "no key frame first": lambda bodies: swapped(bodies, 2, packet(0, -80, key=False)),
    "the same time twice": lambda bodies: swapped(bodies, 3, bodies[2]),
    "a time that no clip has": lambda bodies: swapped(bodies, 3, packet(2**62, 0)),
    "decoded after it is shown": lambda bodies: swapped(bodies, 3, packet(40, 50)),
    "negative duration": lambda bodies: swapped(bodies, 3, packet(40, -60, duration=-1)),
    "wrong count": lambda bodies: swapped(bodies, 14, journals._END.pack(b"E", 11)),
    "end of nothing": lambda bodies: [*bodies[:2], journals._END.pack(b"E", 0)],
    "end with more behind it": lambda bodies: swapped(bodies, 14, bodies[14] + b"1"),
    "another file": lambda _bodies: None,
}


@pytest.mark.parametrize("kind", SENSELESS)
def test_a_journal_that_makes_no_sense_begins_anew_and_says_so(tmp_path, monkeypatch, kind):
    source, target = stopped(tmp_path, monkeypatch)
    place = journal_of(target)
    data = place.read_bytes()
    assert assemble(data, records(data)) == data
    bodies = SENSELESS[kind](records(data))
    place.write_bytes(b"my diary, chapter one\n" if bodies is None else assemble(data, bodies))
    with VideoReader(source) as clip, pytest.raises(Stopped), VideoWriter(target, clip, work=WORK) as out:
        assert out.frames_before == 0
        assert str(place) in out.discarded
        assert "begun anew" in out.discarded
        raise Stopped
    assert len(copy(source, target)) == 60
    assert frames(target) == frames(source)


@pytest.mark.parametrize("body", [b"", b"1234567", struct.pack("<q", 2**62), struct.pack("<q", -(2**62)) + b"x"])
def test_a_frame_store_that_makes_no_sense_is_not_used(tmp_path, monkeypatch, body):
    source, target = stopped(tmp_path, monkeypatch)
    data = frames_of(target).read_bytes()
    frames_of(target).write_bytes(assemble(data, [*records(data), body]))
    with VideoReader(source) as clip, pytest.raises(Stopped), VideoWriter(target, clip, work=WORK) as out:
        assert out.frames_before == 12
        assert "begun anew" in out.discarded
        raise Stopped
    copy(source, target)
    assert frames(target) == frames(source)


@pytest.mark.parametrize("change", ["another time", "fewer samples"])
def test_stored_frames_that_do_not_fit_the_clip_are_cut_off(tmp_path, monkeypatch, change):
    source, target = stopped(tmp_path, monkeypatch)
    data = frames_of(target).read_bytes()
    bodies = records(data)
    other = (
        struct.pack("<q", *(time + 1 for time in struct.unpack_from("<q", bodies[3]))) + bodies[3][8:]
        if change == "another time"
        else bodies[3][:-1]
    )
    frames_of(target).write_bytes(assemble(data, swapped(bodies, 3, other)))
    with VideoReader(source) as clip, pytest.raises(Stopped), VideoWriter(target, clip, work=WORK) as out:
        assert out.frames_before == 14
        raise Stopped
    assert len(copy(source, target)) == 46
    assert frames(target) == frames(source)


@pytest.mark.usefixtures("symlinks")
@pytest.mark.parametrize("place_of", [journal_of, frames_of])
@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "folder"])
def test_a_link_in_their_place_is_not_followed(tmp_path, monkeypatch, place_of, kind):
    source, target = stopped(tmp_path, monkeypatch)
    mine = tmp_path / "mine"
    place_of(target).rename(mine)
    before = mine.read_bytes()
    {"symbolic link": place_of(target).symlink_to, "hard link": place_of(target).hardlink_to, "folder": lambda _: place_of(target).mkdir()}[
        kind
    ](mine)
    with pytest.raises(OutputError, match="remove it"):
        copy(source, target)
    assert mine.read_bytes() == before
    assert not target.exists()


def test_a_killed_run_leaves_one_partial_file_which_the_next_uses(tmp_path, monkeypatch):
    source, target = stopped(tmp_path, monkeypatch)
    (tmp_path / ".out.mp4.partial.mp4").write_bytes(b"left")
    copy(source, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "source.mp4"]


# Stopped at any byte, any number of times


class Killed(BaseException):
    """The process ends at once: nothing after this reaches the disk."""


class Stopping(RuleBasedStateMachine):
    """Runs of the same command, each of which is stopped in some way; the frames that one has finished, the next finds.

    The model is one number: how many frames are finished and kept. What a killed run leaves is the folder as it was at that byte.
    """

    FRAMES = 45

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.source, self.target = self.folder / "source.mp4", self.folder / "out.mp4"
        Clip(pts=range(0, 40 * self.FRAMES, 40), sounds=[Sound(seconds=1.5)]).make(self.source)
        self.kept = 0
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("unblur.io.encoders.KEY_EVERY", "12")
        self.patch.setattr(journals, "SAVE_EVERY", 0.0)  # so that each frame is kept as soon as it is written

    def teardown(self) -> None:
        assert len(copy(self.source, self.target)) <= self.FRAMES - self.kept
        copy(self.source, self.folder / "whole.mp4", work=None)
        assert self.target.read_bytes() == (self.folder / "whole.mp4").read_bytes()
        assert sorted(path.name for path in self.folder.iterdir()) == ["out.mp4", "source.mp4", "whole.mp4"]
        self.patch.undo()
        shutil.rmtree(self.folder)

    @rule(count=st.integers(0, FRAMES - 1))
    def stopped_by_an_error(self, count: int) -> None:
        self._run(count)

    @rule(count=st.integers(0, FRAMES), size=st.integers(0, 60_000))
    def killed_while_writing(self, count: int, size: int) -> None:
        """After some bytes of journal and frame store, in the middle of a record or between two."""
        left, append = size, journals._append

        def dying(file, data: bytes) -> None:
            nonlocal left
            append(file, data[:left])
            left -= min(len(data), left)
            if not left:
                self._die()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journals, "_append", dying)
            self._run(count)

    @rule(count=st.integers(0, FRAMES), calls=st.integers(0, 40))
    def killed_between_writes(self, count: int, calls: int) -> None:
        """After some deletions and flushes, the disk's last operation done or not."""
        left = calls

        def counted(function):
            def dying(*arguments, **options):
                nonlocal left
                left -= 1
                if left == 0:
                    self._die()
                return function(*arguments, **options)

            return dying

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", counted(os.fsync))
            patch.setattr(Path, "unlink", counted(Path.unlink))
            patch.setattr(journals, "_opened", counted(journals._opened))
            self._run(count)

    @rule(share=st.floats(0, 1))
    def the_end_of_the_frame_store_is_lost(self, share: float) -> None:
        """A disk that has promised too much: only frames of the segment that is being encoded are lost."""
        store = frames_of(self.target)
        if store.exists():
            os.truncate(store, int(share * store.stat().st_size))
            self.kept = min(self.kept, max(self.kept // 12 * 12 - 12, 0))

    def _run(self, count: int) -> None:
        """Write up to `count` frames."""
        self.snapshot: Path | None = None
        written, before = 0, None
        try:
            with VideoReader(self.source) as clip, VideoWriter(self.target, clip, work=WORK) as out:
                before = out.frames_before
                for frame in clip if out.begin_at is None else clip.frames_from(out.begin_at):
                    if written == count or before + written == self.FRAMES - 1:
                        raise Stopped
                    out.write(frame.pixels, frame)
                    written += 1
                raise Stopped
        except (Stopped, Killed, UnreadableError):
            pass
        if self.snapshot is not None:
            shutil.rmtree(self.folder)
            self.snapshot.rename(self.folder)
        if before is not None:
            assert before >= self.kept
            self.kept = before + written
        for partial in self.folder.glob(".*partial*"):
            partial.unlink()

    def _die(self) -> None:
        if self.snapshot is None:
            self.snapshot = self.folder.with_name(self.folder.name + ".killed")
            shutil.copytree(self.folder, self.snapshot)
        raise Killed


TestStopping = Stopping.TestCase
TestStopping.settings = settings(max_examples=10, stateful_step_count=6, deadline=None)

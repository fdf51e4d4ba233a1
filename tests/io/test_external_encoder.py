import contextlib
import itertools
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from clips import Clip, Sound, copy, number_of

from unblur.errors import OutputError
from unblur.io import ebml
from unblur.io.clip_info import describe
from unblur.io.colour import Colour, PixelConverter
from unblur.io.external_encoder import Executable, ExternalEncoder, deep_vp9
from unblur.io.journal import frames_of, journal_of
from unblur.io.video import VideoReader, VideoWriter

SIZE = (65, 49)
PQ = Colour(9, 16, 9, 1)
FOUND = deep_vp9()
needs_deep_vp9 = pytest.mark.skipif(FOUND is None, reason="there is no `ffmpeg` that writes VP9 of 10 bit")
needs_scripts = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for `ffmpeg` is a script, which Windows does not run")


def stand_in(path: Path, body: str = "", *, formats: str = "yuv420p yuv420p10le") -> Path:
    """An executable that says what `ffmpeg` says of its encoder, and else does `body`, for which `data` is what it reads."""
    path.parent.mkdir(exist_ok=True)
    lines = [
        f"#!{sys.executable}",
        "import os, struct, sys, time",
        "if '-h' in sys.argv:",
        f"    sys.exit(print('Encoder libvpx-vp9:\\n    Supported pixel formats: {formats}\\n  -crf'))",
        body,
    ]
    path.write_text("\n".join(lines))
    path.chmod(0o755)
    return path


def ivf(count: int) -> bytes:
    """A file of so many packets, which no decoder would take."""
    head = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, b"VP90", *SIZE, 25, 1, count, 0)
    return head + b"".join(struct.pack("<IQ", 5, number) + b"\xa2\x49\x83\x42" + bytes([number]) for number in range(count))


@contextlib.contextmanager
def encoder(executable: Path, *, colour: Colour = PQ):
    options = {"g": "120", "crf": "18", "b": "0", "deadline": "realtime"}
    settings = {"pixel_format": "yuv420p10le", "size": SIZE, "time_base": Fraction(1, 1000), "rate": Fraction(25), "options": options}
    with ExternalEncoder(executable, colour=colour, **settings) as made:
        yield made


def frames(count: int):
    """Grey frames that become lighter, at uneven times."""
    converter = PixelConverter("yuv420p10le", colour=PQ, width=SIZE[0], height=SIZE[1])
    for number in range(count):
        frame = converter.to_frame(np.full((SIZE[1], SIZE[0], 3), 9000 + 1500 * number, np.uint16))
        frame.pts, frame.time_base = 40 * number + number % 3, Fraction(1, 1000)
        yield frame


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    """Neither an `ffmpeg` on the PATH nor imageio-ffmpeg; gives the only folder of the PATH, and what sets the executable of the package."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)

    def install(get):
        monkeypatch.setitem(sys.modules, "imageio_ffmpeg", SimpleNamespace(get_ffmpeg_exe=get))

    return folder, install


# Which executable


@needs_scripts
def test_the_first_that_has_ten_bits_is_taken(tmp_path, nothing_installed):
    folder, install = nothing_installed
    assert deep_vp9() is None
    packaged = stand_in(tmp_path / "packaged", formats="yuv420p yuv420p10le yuv420p12le")
    install(lambda: str(packaged))
    assert deep_vp9() == Executable(packaged, ("yuv420p", "yuv420p10le", "yuv420p12le"))
    own = stand_in(folder / "ffmpeg")
    assert deep_vp9() == Executable(own, ("yuv420p", "yuv420p10le"))


@needs_scripts
@pytest.mark.parametrize("fault", ["8 bit", "fails", "says something else", "is no program"])
def test_one_that_cannot_is_passed_over(tmp_path, nothing_installed, fault):
    folder, install = nothing_installed
    path = stand_in(folder / "ffmpeg", formats="yuv420p yuv444p")
    if fault != "8 bit":
        path.write_text({"fails": "#!/bin/false\n", "says something else": "#!/bin/echo\n", "is no program": "#!/no/such/program\n"}[fault])
    assert deep_vp9() is None
    packaged = stand_in(tmp_path / "packaged")
    install(lambda: str(packaged))
    assert deep_vp9().path == packaged


@needs_scripts
def test_a_package_without_an_executable_and_one_of_the_working_folder_do_not_count(tmp_path, nothing_installed, monkeypatch):
    _, install = nothing_installed

    def missing():
        raise RuntimeError("No ffmpeg exe could be found")

    install(missing)
    stand_in(tmp_path / "here" / "ffmpeg")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", ".")
    assert deep_vp9() is None


# What it is given, and what comes back


@needs_scripts
@pytest.mark.parametrize(("colour", "tags"), [(PQ, ["9", "16", "9", "1"]), (Colour(), [])])
def test_it_is_given_the_samples_and_all_settings(tmp_path, colour, tags):
    body = "\n".join(
        [
            f"open({str(tmp_path / 'said')!r}, 'w').write('\\n'.join(sys.argv[1:]))",
            f"open({str(tmp_path / 'data')!r}, 'wb').write(sys.stdin.buffer.read())",
            f"sys.stdout.buffer.write({ivf(4)!r})",
        ]
    )
    with encoder(stand_in(tmp_path / "ffmpeg", body), colour=colour) as made:
        for frame in frames(4):
            assert made.encode(frame) == []
        packets = made.encode(None)
    assert [packet.pts for packet in packets] == [packet.dts for packet in packets] == [0, 41, 82, 120]
    assert {packet.time_base for packet in packets} == {Fraction(1, 1000)}
    assert [bytes(packet)[-1] for packet in packets] == [0, 1, 2, 3]
    data = np.frombuffer((tmp_path / "data").read_bytes(), "<u2").reshape(4, -1)
    luma, chroma = 65 * 49, 33 * 25
    assert data.shape[1] == luma + 2 * chroma
    assert (data[:, luma:] == 512).all()
    for number, frame in enumerate(data):
        expected = 64 + 876 * (9000 + 1500 * number) / 65535
        assert np.abs(frame[:luma] - expected).max() <= 1
    said = (tmp_path / "said").read_text().split("\n")
    at = said.index("-i")
    pairs = list(itertools.pairwise(said))
    assert {("-video_size", "65x49"), ("-framerate", "25"), ("-pix_fmt", "yuv420p10le")} <= set(pairs[:at])
    assert {("-c:v", "libvpx-vp9"), ("-g:v", "120"), ("-crf:v", "18"), ("-b:v", "0"), ("-deadline:v", "realtime")} <= set(pairs[at:])
    names = ("-color_primaries", "-color_trc", "-colorspace", "-color_range")
    assert [said[place + 1] for place, name in enumerate(said[:at]) if name in names] == tags
    assert [said[place + 1] for place, name in enumerate(said) if place > at and name in names] == tags


@needs_scripts
def test_it_can_be_used_again_and_nothing_gives_nothing(tmp_path):
    body = f"count = len(sys.stdin.buffer.read()) // {2 * (65 * 49 + 2 * 33 * 25)}\nsys.stdout.buffer.write({ivf(9)!r}[:32 + 17 * count])"
    with encoder(stand_in(tmp_path / "ffmpeg", body)) as made:
        assert made.encode(None) == []
        for count in (3, 5):
            for frame in frames(count):
                made.encode(frame)
            assert len(made.encode(None)) == count
        assert made.encode(None) == []


FAULTS = {
    "sys.stdin.buffer.read(); sys.exit('one\\nwidth too large')": "width too large",
    "sys.exit('no encoder')": "no encoder",
    "sys.stdin.buffer.read(); sys.exit(3)": "it ended with code 3, perhaps since `.*` has no room left",
    f"sys.stdin.buffer.read(); sys.stdout.buffer.write({ivf(3)!r})": "gave 3 frames of VP9 for 4",
    "sys.stdin.buffer.read(); print('not IVF')": "gave 0 frames of VP9 for 4",
    "sys.stdin.buffer.read()": "gave 0 frames of VP9 for 4",
}


@needs_scripts
@pytest.mark.parametrize("body", FAULTS)
def test_what_fails_is_said_with_what_to_do(tmp_path, body):
    with (
        encoder(stand_in(tmp_path / "ffmpeg", body)) as made,
        pytest.raises(OutputError, match=rf"{FAULTS[body]}; install another FFmpeg, or choose another codec"),
    ):
        for frame in frames(4):
            made.encode(frame)
        made.encode(None)


def test_one_that_is_gone_is_said(tmp_path):
    with (
        encoder(tmp_path / "ffmpeg") as made,
        pytest.raises(OutputError, match=r"cannot run `.*ffmpeg`: No such file or directory; install"),
    ):
        made.encode(next(frames(1)))


@needs_scripts
def test_no_process_is_left(tmp_path):
    with pytest.raises(KeyError), encoder(stand_in(tmp_path / "ffmpeg", "time.sleep(600)")) as made:
        made.encode(next(frames(1)))
        process = made._process
        assert process.poll() is None
        raise KeyError
    assert process.returncode is not None


# The real one


VIDEO, COLOUR, DISPLAY, NAME = 0xE0, 0x55B0, 0x55D0, 0x536E
VALUES = [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 1000.0, 0.005]
"""Red, green, blue and white point, and the luminance, as Matroska has them (RFC 9559, section 5.1.4.1.28.30)."""


def with_hdr(track: bytes) -> bytes:
    """The entry of a track with a mastering display and light levels in the colour of its video, in the place of its title."""
    display = ebml.element(DISPLAY, *(ebml.element(0x55D1 + i, struct.pack(">d", value)) for i, value in enumerate(VALUES)))
    more = display + ebml.element(0x55BC, b"\x03\xe8") + ebml.element(0x55BD, b"\x01\x90")

    def changed(begin: int, end: int) -> bytes:
        kept = []
        for part in ebml.children(track, begin, end):
            if part.id == VIDEO:
                kept.append(ebml.element(VIDEO, changed(part.body, part.end)))
            elif part.id == COLOUR:
                kept.append(ebml.element(COLOUR, track[part.body : part.end], more))
            elif part.id != NAME:
                kept.append(track[part.begin : part.end])
        return b"".join(kept)

    whole = next(ebml.children(track))
    return track[: whole.body] + ebml.padded(changed(whole.body, whole.end), whole.end - whole.body)


def made(path: Path, *, depth: int = 10, **changes) -> Path:
    """A clip of VP9 of HDR10, with what that says in its container."""
    settings = {"encoder": "ffv1", "options": {}, "pixel_format": f"yuv420p{depth}le", "colour": (9, 16, 9, 1), "title": "t" * 400}
    source = Clip(**(settings | changes)).make(path.with_suffix(".mkv"))
    ebml.change_tracks(source, lambda index, track: track if index else with_hdr(track))
    copy(source, path, codec="vp9")
    source.unlink()
    return path


def packets(path: Path) -> list[tuple[int, int, bool, bytes]]:
    with av.open(str(path)) as container:
        return [(each.pts, each.duration, each.is_keyframe, bytes(each)) for each in container.demux(video=0) if each.size]


def numbers(path: Path) -> list[tuple[Fraction, int]]:
    with VideoReader(path) as clip:
        return [(frame.pts * clip.info.time_base, number_of(frame.pixels)) for frame in clip]


@needs_deep_vp9
@pytest.mark.parametrize("depth", [10, 12])
@pytest.mark.parametrize("suffix", [".webm", ".mkv", ".mp4"])
def test_vp9_of_many_bits_stays_what_it_is(tmp_path, suffix, depth):
    times = [int(each) for each in np.cumsum(np.random.default_rng(1).integers(20, 60, 15))]
    source = made(tmp_path / "a.webm", depth=depth, pts=times, sounds=[Sound(codec="libopus")])
    out = copy(source, tmp_path / f"b{suffix}")
    assert out.notes == ()
    before, after = describe(source), describe(out.target)
    assert (before.codec, before.bit_depth, before.colour) == ("vp9", depth, PQ)
    for name in ("codec", "pixel_format", "bit_depth", "width", "height", "colour", "mastering", "light"):
        assert getattr(after, name) == getattr(before, name), name
    assert (after.mastering.brightest, after.light.brightest_pixel, after.light.brightest_frame) == (1000, 1000, 400)
    assert numbers(out.target) == numbers(source)
    assert [packet[2] for packet in packets(out.target)] == [True] + [False] * 14


@needs_deep_vp9
@pytest.mark.parametrize(("pixel_format", "size"), [("yuv444p12le", SIZE), ("yuv422p10le", SIZE), ("gbrp10le", (64, 48))])
def test_odd_sizes_and_other_chroma(tmp_path, pixel_format, size):
    colour = (9, 16, 0, 2) if pixel_format.startswith("gbr") else (9, 16, 9, 2)
    source = Clip(encoder="ffv1", options={}, pixel_format=pixel_format, size=size, colour=colour).make(tmp_path / "a.mkv")
    out = copy(source, tmp_path / "b.mp4", codec="vp9")
    after = describe(out.target)
    assert (after.codec, after.pixel_format, after.width, after.height, after.colour) == ("vp9", pixel_format, *size, Colour(*colour))
    assert numbers(out.target) == numbers(source)


@needs_deep_vp9
@pytest.mark.parametrize("suffix", [".avi", ".mov"])
def test_from_containers_that_say_nothing_of_a_video(tmp_path, suffix):
    kinds = {".avi": ("ffv1", {}), ".mov": ("prores_ks", {})}
    encoder, options = kinds[suffix]
    source = Clip(encoder=encoder, options=options, pixel_format="yuv422p10le", pts=range(15), time_base=Fraction(1, 25)).make(
        tmp_path / f"a{suffix}"
    )
    out = copy(source, tmp_path / "b.webm", codec="vp9")
    assert describe(out.target).pixel_format == "yuv422p10le"
    assert [number for _, number in numbers(out.target)] == [number for _, number in numbers(source)]


class Stopped(Exception):  # noqa: N818
    """A power cut."""


def written(source: Path, target: Path, *, stop: int | None = None) -> int:
    with VideoReader(source) as clip, VideoWriter(target, clip, work={"model": "none"}) as out:
        for count, frame in enumerate(clip if out.begin_at is None else clip.frames_from(out.begin_at)):
            if count == stop:
                raise Stopped
            out.write(frame.pixels, frame)
    return count + 1


@needs_deep_vp9
@pytest.mark.parametrize("stops", [[30], [16, 1, 9]])
def test_a_clip_that_was_stopped_is_gone_on_with(tmp_path, monkeypatch, stops):
    monkeypatch.setattr("unblur.io.encoders.KEY_EVERY", "12")
    monkeypatch.setattr("unblur.io.journal.SAVE_EVERY", 0.0)
    source = made(tmp_path / "a.webm", pts=range(0, 40 * 40, 40))
    assert written(source, tmp_path / "whole.mp4") == 40
    for stop in stops:
        with pytest.raises(Stopped):
            written(source, tmp_path / "b.mp4", stop=stop)
        assert journal_of(tmp_path / "b.mp4").exists()
    assert written(source, tmp_path / "b.mp4") <= 40 - sum(stops) + len(stops)
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert [number for number, packet in enumerate(packets(tmp_path / "b.mp4")) if packet[2]] == [0, 12, 24, 36]
    assert numbers(tmp_path / "b.mp4") == numbers(source)
    assert not journal_of(tmp_path / "b.mp4").exists()
    assert not frames_of(tmp_path / "b.mp4").exists()


@needs_deep_vp9
def test_an_executable_that_dies_keeps_what_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr("unblur.io.encoders.KEY_EVERY", "12")
    source, target = made(tmp_path / "a.webm", pts=range(0, 40 * 40, 40)), tmp_path / "b.webm"
    begin = ExternalEncoder._begin
    begun = []

    def dying(self):
        begin(self)
        begun.append(self._process)
        if len(begun) == 3:
            self._process.kill()
            self._process.wait()

    with monkeypatch.context() as patch:
        patch.setattr(ExternalEncoder, "_begin", dying)
        with pytest.raises(OutputError, match="cannot encode the video as VP9"):
            written(source, target)
    assert not target.exists()
    assert written(source, target) <= 40 - 24
    assert numbers(target) == numbers(source)


@needs_deep_vp9
def test_the_executable_is_asked_for_nothing_else(tmp_path, monkeypatch):
    """What PyAV writes is written by PyAV."""
    source = made(tmp_path / "a.webm")
    eight = Clip(encoder="libvpx-vp9", options={"deadline": "realtime"}).make(tmp_path / "c.webm")
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was begun"))
    assert copy(source, tmp_path / "b.mkv", codec="hevc").encoding.executable is None
    assert copy(eight, tmp_path / "d.webm").encoding.executable is None

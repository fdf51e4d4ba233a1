"""Long clips in segments, restored in any order by separate processes' work, and joined: the bytes are those of one machine."""

# ruff: noqa: ARG005 - stand-ins take what the real ones take

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from clips import Clip, Sound
from nets import CPU, TINY_VIDEO, Darker, save_weights, tiny_swift

from unblur.cluster import work
from unblur.cluster.schedule import Frames
from unblur.cluster.work import JoinWork, RestoreWork, SegmentWork, absolute, segments_in
from unblur.io.clip_info import describe
from unblur.io.external_encoder import deep_vp9
from unblur.io.journal import frames_of, journal_of, segment_of
from unblur.io.segment_writer import segments_of
from unblur.models import create
from unblur.restore import runner
from unblur.restore.batch import Job, Options
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.networks import Networks, Request
from unblur.restore.precision import Setup

SIX = 6  # frames of a segment


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr("unblur.io.encoders.KEY_EVERY", str(SIX))
    work._networks.cache_clear()


@pytest.fixture
def photo_net(tmp_path):
    return Request(model=save_weights(tmp_path / "tiny.safetensors", tiny_swift()), device="cpu", precision="fp32", threads=1)


@pytest.fixture
def video_net(tmp_path):
    net = create("swift_video", **TINY_VIDEO)
    path = save_weights(tmp_path / "video.safetensors", net, kind="video", architecture="swift_video", arguments=TINY_VIDEO)
    return Request(model=path, device="cpu", precision="fp32", threads=1)


def nothing(event):
    pass


def moving(path, *, frames=20, pixel_format="yuv420p", **changes):
    """A clip of a texture that moves, with a cut in the middle."""
    with av.open(str(path), "w", **changes) as file:
        stream = file.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "10", "x264-params": "log-level=error"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        for number in range(frames):
            scene = np.random.default_rng(number >= frames // 2).integers(0, 256, (12, 24, 3), np.uint8).repeat(4, 0).repeat(4, 1)
            shown = np.ascontiguousarray(np.roll(scene, number, axis=1)[:, :64])
            file.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        file.mux(stream.encode(None))
    return path


def units(source, target, request, options=Options()):  # noqa: B008 - it is not changed
    """The work of a clip: its segments, and what joins them."""
    job = absolute(Job(source, target, "video"))
    networks = Networks(request)
    whole = RestoreWork(job, options, request, networks.chosen_for(job))
    segments = segments_in(job, options, network=networks.for_job)
    join = JoinWork(job, options, request, whole.chosen, segments=len(segments))
    return [SegmentWork(whole, segment) for segment in segments], join


def alone(source, target, request, options=Options()):  # noqa: B008
    (outcome,) = runner.restore_files([source], target, request=request, options=options).outcomes
    assert outcome.status == "done", outcome.message
    return written(target)


def written(path):
    """The bytes of a file; of Matroska, which has a random identity, all packets."""
    if path.suffix != ".mkv":
        return path.read_bytes()
    with av.open(str(path)) as file:
        return [
            (packet.stream.index, packet.pts, packet.dts, packet.duration, packet.is_keyframe, bytes(packet)) for packet in file.demux()
        ]


def left_beside(target):
    return sorted(path.name for path in target.parent.iterdir() if path.name.startswith("."))


SOURCES = {
    "mp4": lambda path: moving(path / "a.mp4"),
    "mkv with sound": lambda path: Clip(pts=range(0, 800, 40), sounds=[Sound()], cover=True).make(path / "a.mkv"),
    "transport stream": lambda path: moving(path / "a.ts"),
    "times that vary": lambda path: Clip(pts=[0, 10, 25, 80, *range(120, 2000, 70)], time_base=Fraction(1, 1000)).make(path / "a.mp4"),
    "b frames": lambda path: Clip(pts=range(0, 1000, 40), options={"crf": "10", "bf": "3", "x264-params": "log-level=error"}).make(
        path / "a.mov"
    ),
}


@pytest.mark.parametrize("fusion", [True, False])
@pytest.mark.parametrize("kind", SOURCES)
def test_segments_joined_are_the_clip_of_one_machine(photo_net, tmp_path, kind, fusion):
    source = SOURCES[kind](tmp_path)
    options = Options(temporal_fusion=fusion)
    suffix = ".mkv" if source.suffix == ".ts" else source.suffix
    expected = alone(source, tmp_path / f"alone{suffix}", photo_net, options)
    segments, join = units(source, tmp_path / f"joined{suffix}", photo_net, options)
    assert len(segments) >= 2
    for each in reversed(segments):
        assert each.run(nothing, attempt=1).frames == SIX
    outcome = join.run(nothing, attempt=1)
    assert (outcome.status, outcome.resumed_after) == ("done", 0), outcome.message
    assert written(join.job.target) == expected
    assert left_beside(join.job.target) == []


@pytest.mark.parametrize("codec", ["hevc", "vp9", "ffv1"])
def test_codecs_are_joined_too(photo_net, tmp_path, codec):
    source = moving(tmp_path / "a.mkv")
    options = Options(codec=codec)
    expected = alone(source, tmp_path / "alone.mkv", photo_net, options)
    segments, join = units(source, tmp_path / "joined.mkv", photo_net, options)
    for each in segments:
        assert each.run(nothing, attempt=1) is not None
    assert join.run(nothing, attempt=1).status == "done"
    assert written(join.job.target) == expected


@pytest.mark.skipif(deep_vp9() is None, reason="there is no `ffmpeg` that writes VP9 of 10 bit")
def test_so_is_vp9_of_ten_bits(photo_net, tmp_path):
    source = moving(tmp_path / "a.mkv", pixel_format="yuv420p10le")
    options = Options(codec="vp9")
    expected = alone(source, tmp_path / "alone.mkv", photo_net, options)
    segments, join = units(source, tmp_path / "joined.mkv", photo_net, options)
    for each in segments:
        assert each.run(nothing, attempt=1).frames == SIX
    counts = []
    assert join.run(counts.append, attempt=1).status == "done"
    assert counts[-1] == Frames(2, 2)  # the rest
    assert written(join.job.target) == expected
    assert describe(join.job.target).pixel_format == "yuv420p10le"


def test_a_network_of_several_frames_sees_those_around_a_segment(video_net, tmp_path):
    source = moving(tmp_path / "a.mp4", frames=40)
    expected = alone(source, tmp_path / "alone.mp4", video_net)
    segments, join = units(source, tmp_path / "joined.mp4", video_net)
    assert len(segments) == 6
    for each in segments[::2] + segments[1::2]:
        assert each.run(nothing, attempt=1) is not None
    counts = []
    assert join.run(counts.append, attempt=1).frames == 40
    assert written(join.job.target) == expected
    assert counts[-1] == Frames(4, 4)  # the rest


@pytest.mark.parametrize("fault", ["missing", "cut off", "of other work"])
def test_what_is_missing_is_restored_where_the_clip_is_joined(photo_net, tmp_path, fault):
    source = moving(tmp_path / "a.mp4")
    expected = alone(source, tmp_path / "alone.mp4", photo_net)
    segments, join = units(source, tmp_path / "joined.mp4", photo_net)
    for each in segments:
        each.run(nothing, attempt=1)
    part = segment_of(join.job.target, 1)
    if fault == "missing":
        part.unlink()
    elif fault == "cut off":
        part.write_bytes(part.read_bytes()[:-5])
    else:
        other = replace(segments[1].clip, options=Options(strength=0.5))
        assert SegmentWork(other, segments[1].segment).run(nothing, attempt=1) is not None
    assert join.run(nothing, attempt=1).status == "done"
    assert written(join.job.target) == expected
    assert left_beside(join.job.target) == []


def test_a_segment_that_is_there_is_not_restored_again(photo_net, tmp_path, monkeypatch):
    segments, join = units(moving(tmp_path / "a.mp4"), tmp_path / "b.mp4", photo_net)
    segments[0].run(nothing, attempt=1)
    monkeypatch.setattr(Deblurrer, "_restore", lambda *_: pytest.fail("restored"))
    assert segments[0].run(nothing, attempt=2).resumed_after == SIX
    del join


def test_a_journal_that_holds_more_stays(photo_net, tmp_path):
    source = moving(tmp_path / "a.mp4")
    expected = alone(source, tmp_path / "alone.mp4", photo_net)
    segments, join = units(source, tmp_path / "joined.mp4", photo_net)
    segments[0].run(nothing, attempt=1)

    def stop(event):
        if isinstance(event, Frames) and event.done + SIX == 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        join.run(stop, attempt=1)
    held = journal_of(join.job.target).read_bytes()
    work.join_journals(join.job.target, [segment_of(join.job.target, 0)])
    assert journal_of(join.job.target).read_bytes() == held
    assert join.run(nothing, attempt=2).status == "done"
    assert written(join.job.target) == expected
    assert not frames_of(join.job.target).exists()


def test_damage_is_left_to_the_whole(photo_net, tmp_path):
    source = moving(tmp_path / "a.mp4", frames=30)
    segments, _ = units(source, tmp_path / "b.mp4", photo_net)
    data = bytearray(source.read_bytes())
    begin = data.index(b"mdat") + len(data) // 2
    data[begin : begin + 200] = bytes(200)
    source.write_bytes(data)
    results = [each.run(nothing, attempt=1) for each in segments]
    assert None in results


def deblurrer_of(net):
    return lambda job: Deblurrer(net, setup=Setup(CPU, torch.float32))


@pytest.mark.parametrize(
    "changes",
    [{"frames": 13}, {"start": 0.2}, {"duration": 0.3}, {"kind": "photo"}, {"exists": True}, {"pages": True}, {"recurrent": True}],
)
def test_what_is_restored_whole(tmp_path, changes):
    source, target = moving(tmp_path / "a.mp4", frames=12 if "frames" in changes else 20), tmp_path / "b.mp4"
    net = Darker()
    if "recurrent" in changes:
        net = create("ifirnn")
    if "exists" in changes:
        target.write_bytes(b"mine")
    job = Job(source, target, changes.get("kind", "video"), frames=(source,) if "pages" in changes else ())
    options = Options(start=changes.get("start", 0.0), duration=changes.get("duration"))
    assert segments_in(job, options, network=deblurrer_of(net)) == []
    assert len(segments_in(Job(moving(tmp_path / "c.mp4"), tmp_path / "d.mp4", "video"), Options(), network=deblurrer_of(Darker()))) == 3


def test_times_of_segments_worked_out_by_hand():
    first, second, third = segments_of(range(0, 190, 10), lead=2)
    assert (first.number, first.before, first.times, first.following) == (0, (), (0, 10, 20, 30, 40, 50), 60)
    assert (second.before, second.times[0], second.following) == ((40, 50), 60, 120)
    assert (third.first, third.times, third.following) == (0, (120, 130, 140, 150, 160, 170), 180)
    assert len(segments_of(range(18), lead=2)) == 2  # the last frame is left to who writes the clip

"""Clips through networks that look at several frames: the file's result is the stream's, whatever memory there is."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from nets import TINY_VIDEO, Windowed
from safetensors.torch import save_file

import unblur
from unblur.app import cli
from unblur.errors import DeviceError, UnsupportedError
from unblur.io.video import Frame, VideoReader
from unblur.models import create
from unblur.pixels import to_pixels
from unblur.restore.clip import ClipRestorer
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.precision import Setup
from unblur.restore.safety import guard
from unblur.restore.stream import Stream
from unblur.weights import sha256_of

CPU = Setup(torch.device("cpu"), torch.float32)
FLOW = {"flow": {"widths": [4, 6, 8], "decoder_widths": [8, 6], "context_widths": [6, 6, 6, 6, 6, 4]}}
SMALL = {
    "astcn": {"widths": [4, 6, 8], "num_blocks": 1, "cost_radius": 1, **FLOW},
    "cdvdtsp": {"widths": [4, 6, 8], "num_blocks": 1, "kernel_size": 3, **FLOW},
    "mdcn": {"widths": [4, 6, 8], "num_blocks": 1},
    "ifirnn": {"width": 12, "hidden": 4, "num_blocks": 1, "iterations": 2, "adds_input": True},
    "ovd": {"width": 8, "num_blocks": 1, "adds_input": True},
    "swift_video": TINY_VIDEO,
    "swift_video_best": TINY_VIDEO,
}
GAIN = {"astcn": 1.2, "ifirnn": 1.4, "mdcn": 1.7, "ovd": 2.1, "swift_video": 1.0, "swift_video_best": 1.0}
"""By which their random weights are raised, so that they change a picture visibly."""
PTS = (0, 40, 90, 120, 165, 200, 240)


def drawn(tensor):
    """What training starts from zero is drawn at random."""
    return tensor if tensor.any() else 0.05 * torch.randn(tensor.shape)


def weights_of(name, folder):
    """A file of random weights with its card."""
    torch.manual_seed(0)
    net = create(name, **SMALL[name])
    path = folder / f"tiny-{name}.safetensors"
    without_biases = {
        key: GAIN.get(name, 1) * drawn(tensor) if tensor.ndim > 1 else torch.zeros_like(tensor) for key, tensor in net.state_dict().items()
    }
    save_file(without_biases, path)  # they would shift colours, which the fail-safe undoes
    card = {
        "name": path.stem,
        "kind": "video",
        "summary": "random",
        "architecture": name,
        "arguments": SMALL[name],
        "size_multiple": net.size_multiple,
        "origin": "trained here",
        "training_data": "none",
        "recipe": "none",
        "results": [],
        "licence": "Apache-2.0",
        "sha256": sha256_of(path),
    }
    path.with_suffix(".json").write_text(json.dumps(card))
    return path


def picture(number, *, height=40, width=56, scene=0):
    """A smooth pattern that moves by a pixel a frame."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin((x + number) / (4 + i)) * np.cos(y / (5 - i)) for i in range(3)]
    return (127 + 60 * scene + 50 * np.stack(waves, axis=2)).clip(0, 255).astype(np.uint8)


def frames_of(count, **size):
    return [Frame(picture(number, **size), pts=40 * number) for number in range(count)]


def make_clip(path, *, cut_at=4, pts=PTS):
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "5", "x264-params": "log-level=error"})
        video.width, video.height, video.pix_fmt = 56, 40, "yuv444p"
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        sound = file.add_stream("aac", rate=48000)
        sound.layout = "mono"
        for number, shown_at in enumerate(pts):
            frame = av.VideoFrame.from_ndarray(picture(number, scene=2 if number >= cut_at else 0), "rgb24")
            frame.pts, frame.time_base = shown_at, Fraction(1, 1000)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        tone = np.sin(np.arange(48000 // 4) / 20).astype(np.float32)[None]
        samples = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
        samples.rate = 48000
        file.mux(sound.encode(samples))
        file.mux(sound.encode(None))
    return path


def sound_of(path):
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(audio=0) if packet.size]


def streamed(net, frames, **options):
    blurry = [torch.from_numpy(frame.pixels).permute(2, 0, 1).float() / 255 for frame in frames]
    restored = Stream(net, setup=CPU, **options).restore(blurry)
    return [to_pixels(guard(before, after).restored, np.uint8) for before, after in zip(blurry, restored, strict=True)]


def restorer(net, **changed):
    return ClipRestorer(net, **({"setup": CPU, "strength": 1.0, "tile": 512, "smallest": 64, "halo": 8, "budget": 1e9} | changed))


def run(clip, frames):
    done = [pair for frame in frames for pair in clip.push(frame)]
    done += clip.finish()
    assert [frame.pts for frame, _ in done] == [frame.pts for frame in frames]
    return [pixels for _, pixels in done]


def assert_same(restored, expected):
    np.testing.assert_array_equal(np.stack(restored), np.stack(expected))


@pytest.mark.parametrize("name", SMALL)
def test_a_clip_is_restored_as_its_frames_are_by_a_stream(name, tmp_path):
    clip, target = make_clip(tmp_path / "clip.mkv"), tmp_path / "out.mkv"
    deblurrer = unblur.load(weights_of(name, tmp_path), device="cpu", precision="fp32")
    told = []
    report = deblurrer.video(clip, target, temporal_fusion=False, codec="ffv1", progress=lambda done, total: told.append((done, total)))
    with VideoReader(clip) as reader:
        blurry = list(reader)
    with VideoReader(target) as reader:
        restored = list(reader)
    assert [frame.pts for frame in restored] == [frame.pts for frame in blurry] == list(PTS)
    assert sound_of(target) == sound_of(clip)
    assert report.frames == len(PTS) == told[-1][0]
    assert report.network_seconds > 0
    expected = streamed(deblurrer.net, blurry)  # which finds the cut by itself
    written = np.stack([frame.pixels for frame in restored]).astype(int)
    assert np.abs(written - np.stack(expected)).max() <= 3  # what turning colours to those of the file and back takes
    assert np.abs(written - np.stack([frame.pixels for frame in blurry])).max() > 8


@pytest.mark.parametrize(("name", "least_side"), [("astcn", 128), ("swift_video", 128), ("swift_video_best", 128), ("swift_video", 12)])
def test_a_clip_that_was_stopped_is_gone_on_with_its_neighbours(name, least_side, tmp_path, monkeypatch):
    """What comes first after the place where it stopped sees the frames before it, as if it had not been stopped, at every size."""
    monkeypatch.setattr("unblur.restore.multi_scale.LEAST_SIDE", least_side)
    monkeypatch.setattr("unblur.io.journal.SAVE_EVERY", 0.0)
    clip = make_clip(tmp_path / "clip.mkv", cut_at=14, pts=range(0, 24 * 40, 40))
    deblurrer = unblur.load(weights_of(name, tmp_path), device="cpu", precision="fp32")

    def progress(done, _total):
        if done == 18:
            raise KeyboardInterrupt

    deblurrer.video(clip, tmp_path / "whole.mov", codec="prores")
    with pytest.raises(KeyboardInterrupt):
        deblurrer.video(clip, tmp_path / "out.mov", codec="prores", progress=progress)
    report = deblurrer.video(clip, tmp_path / "out.mov", codec="prores")
    assert report.resumed_after == 18
    assert (tmp_path / "out.mov").read_bytes() == (tmp_path / "whole.mov").read_bytes()
    with VideoReader(tmp_path / "whole.mov") as whole, VideoReader(tmp_path / "out.mov") as out:
        assert_same([frame.pixels for frame in out], [frame.pixels for frame in whole])


def test_the_command_line_takes_such_weights(tmp_path, monkeypatch, capsys):
    clip, weights = make_clip(tmp_path / "clip.mp4"), weights_of("mdcn", tmp_path)
    monkeypatch.setattr("sys.argv", ["unblur", str(clip), "--model", str(weights), "--device", "cpu", "--json"])
    with pytest.raises(SystemExit):
        cli.main()
        raise SystemExit  # typer ends by itself in some versions
    outcome = json.loads(capsys.readouterr().out)
    assert (outcome["status"], outcome["frames"]) == ("done", len(PTS))
    with VideoReader(tmp_path / "clip_unblurred.mp4") as reader:
        assert [frame.pts * reader.info.time_base * 1000 for frame in reader] == list(PTS)
    assert sound_of(tmp_path / "clip_unblurred.mp4") == sound_of(clip)


def test_frames_keep_to_their_shot():
    """What comes after a cut changes nothing before it."""
    net = create("mdcn", **SMALL["mdcn"]).eval()
    first, second = frames_of(4), [Frame(picture(number, scene=2), pts=160 + 40 * number) for number in range(3)]
    together = run(restorer(net), first + second)
    assert_same(together, run(restorer(net), first) + run(restorer(net), second))


def test_strength_mixes_and_nothing_is_the_clip_itself(tmp_path):
    net = create("mdcn", **SMALL["mdcn"]).eval()
    frames = frames_of(3)
    whole, half = run(restorer(net), frames), run(restorer(net, strength=0.5), frames)
    mixed = (np.stack(whole).astype(float) + np.stack([frame.pixels for frame in frames])) / 2
    assert np.abs(np.stack(half) - mixed).max() <= 1
    clip, target = make_clip(tmp_path / "clip.mkv"), tmp_path / "out.mkv"
    Deblurrer(net, setup=CPU).video(clip, target, strength=0, codec="ffv1")
    with VideoReader(clip) as one, VideoReader(target) as other:
        for before, after in zip(one, other, strict=True):
            assert np.abs(before.pixels.astype(int) - after.pixels).max() <= 2


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_sixteen_bits_and_clips_shorter_than_a_window(frames):
    net = create("mdcn", **SMALL["mdcn"]).eval()
    deep = [Frame(frame.pixels.astype(np.uint16) * 257, frame.pts) for frame in frames_of(frames)]
    restored = run(restorer(net), deep)
    assert all(pixels.dtype == np.uint16 for pixels in restored)
    plain = run(restorer(net), frames_of(frames))
    assert np.abs(np.stack(restored) / 257 - np.stack(plain)).max() <= 0.51


def test_the_fail_safe_looks_at_every_frame():
    class Breaks(Windowed):
        def reconstruct(self, fused, reference):  # noqa: ARG002
            broken = reference.mean() > 0.6
            return torch.full_like(reference, torch.nan) if broken else reference

    clip = restorer(Breaks())
    frames = [Frame(np.full((8, 8, 3), value, np.uint8), pts) for pts, value in enumerate((100, 105, 160, 100))]
    assert_same(run(clip, frames), [frame.pixels for frame in frames])
    assert clip.kept_input == 1


class Limited(Windowed):
    """Fails where it is given more pixels than it may have."""

    def __init__(self, most=1 << 30, *, fails_at=1):
        super().__init__()
        self.most, self.fails_at, self.calls = most, fails_at, 0

    def reconstruct(self, fused, reference):
        self.calls += 1
        if self.calls >= self.fails_at and reference.shape[-1] * reference.shape[-2] > self.most:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return super().reconstruct(fused, reference)


@pytest.mark.parametrize("fails_at", range(1, 7))
def test_a_clip_that_runs_out_of_memory_goes_on_with_smaller_tiles_and_loses_nothing(fails_at):
    frames = frames_of(6, height=150, width=200)
    net = Limited(140 * 140, fails_at=fails_at)
    restored = run(restorer(net, halo=0), frames)
    assert net.calls > 6  # it was begun again, by tiles
    difference = np.stack(restored).astype(int) - np.stack(run(restorer(Limited(), halo=0), frames))
    assert np.abs(difference).max() <= 1  # rounding where tiles fade into each other


def test_memory_that_is_too_small_even_for_a_tile_is_told():
    with pytest.raises(DeviceError, match="smallest tile of 3 frames"):
        run(restorer(Limited(10)), frames_of(3))


def test_other_errors_are_not_hidden():
    class Wrong(Windowed):
        def fuse(self, aligned):  # noqa: ARG002
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run(restorer(Wrong()), frames_of(3))


def test_tiles_follow_the_budget():
    frames, results, largest = frames_of(2, height=150, width=200), [], []
    for budget in (1e9, 3e6):
        shapes = []

        class Seen(Windowed):
            def features(self, frame):
                shapes.append(tuple(frame.shape[-2:]))  # noqa: B023
                return (frame,)

        results.append(np.stack(run(restorer(Seen(), tile=None, budget=budget, halo=0), frames)).astype(int))
        largest.append(max(shapes[-2:]))
    assert largest[0] == (150, 200)
    assert max(largest[1]) < 150
    assert np.abs(results[0] - results[1]).max() <= 1


def test_features_wait_only_where_the_budget_has_room_for_them():
    frames = frames_of(4, height=300, width=400)
    held = 3 * 300 * 400 * 12  # bytes of three frames
    for budget, expected in ((1.9 * held, False), (2.1 * held, True)):
        clip = restorer(Limited(), tile=None, budget=budget, halo=0)
        run(clip, frames)
        assert clip._stream._reuse is expected


def test_a_picture_is_refused_by_a_network_for_clips():
    deblurrer = Deblurrer(Limited(), setup=CPU)
    with pytest.raises(UnsupportedError, match=r"looks at 3 frames.*`swift`"):
        deblurrer.photo(np.zeros((8, 8, 3), np.uint8))

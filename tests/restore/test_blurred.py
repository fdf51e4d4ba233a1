import numpy as np
import pytest
import torch
from clips import Clip
from nets import CPU, Darker, deblurrer, tiny_swift

import unblur
from unblur.io.video import VideoReader
from unblur.restore import blurred
from unblur.restore.batch import Options, plan, restore_job
from unblur.restore.blurred import DIRECTED_FROM, SHARP_BELOW, BlurMeter
from unblur.restore.precision import Setup


class Ruler(BlurMeter):
    """Takes dark pictures for sharp ones."""

    def __init__(self):
        pass

    def length(self, picture):
        return SHARP_BELOW * 2 * float(picture.mean()) / (1 if picture.dtype.kind == "f" else np.iinfo(picture.dtype).max)


def with_ruler(net):
    made = deblurrer(net)
    made.meter = Ruler()
    return made


def test_parts_reach_from_edge_to_edge():
    assert blurred._places(100) == [0]
    assert blurred._places(256) == [0]
    assert blurred._places(300) == [0, 44]
    assert blurred._places(1080) == [0, 412, 824]


@pytest.mark.parametrize("shape", [(30, 40, 3), (1, 1, 1), (300, 256, 3), (600, 900, 3)])
def test_the_length_is_the_mean_of_what_the_network_sees(shape, monkeypatch):
    net, seen = tiny_swift(), []

    def blur_field(part):
        seen.append(tuple(part.shape))
        found = torch.zeros(1, 3, part.shape[2] // 4, part.shape[3] // 4)
        found[:, 2] = len(seen)
        found[:, 0], found[:, 1] = 0.3 * len(seen), 0.4 * len(seen)  # half of it is directed
        return found

    monkeypatch.setattr(net, "blur_field", blur_field)
    picture = np.zeros(shape, np.uint8)
    meter = BlurMeter(net, setup=Setup(CPU, torch.float32))
    measured = meter.measure(picture)
    count = {30: 1, 1: 1, 300: 2, 600: 9}[shape[0]]
    assert len(seen) == count
    assert measured.length == (count + 1) / 2
    assert measured.directed == pytest.approx(0.5)
    assert all(part[:2] == (1, 3) and part[2] % net.size_multiple == part[3] % net.size_multiple == 0 for part in seen)
    assert all(part[2] <= 256 and part[3] <= 256 for part in seen)


def test_the_built_in_weights_tell_a_smear_from_none():
    generator = np.random.default_rng(0)
    sharp = np.kron(generator.integers(20, 235, (24, 32, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    smeared = np.mean([np.roll(sharp, step, axis=1) for step in range(12)], axis=0).astype(np.uint8)
    meter = unblur.load("swift", device="cpu", precision="fp32", skip_sharp=True).meter
    assert meter.is_sharp(sharp)
    assert meter.length(smeared) > 4
    assert not meter.is_sharp(smeared)


def test_the_built_in_weights_tell_motion_from_wrong_focus():
    generator = np.random.default_rng(0)
    sharp = np.kron(generator.integers(20, 235, (24, 32, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    meter = unblur.load("swift", device="cpu", precision="fp32", skip_sharp=True).meter
    moved = np.mean([np.roll(sharp, step, axis=1) for step in range(12)], axis=0).astype(np.uint8)
    rows, columns = np.mgrid[-4:5, -4:5]
    disk = np.argwhere(np.hypot(rows, columns) <= 4) - 4
    unfocused = np.mean([np.roll(sharp, shift, axis=(0, 1)) for shift in disk], axis=0).astype(np.uint8)
    assert meter.measure(moved).directed > DIRECTED_FROM > meter.measure(unfocused).directed


def test_other_networks_measure_with_the_built_in_one(tmp_path):
    from nets import save_weights

    assert unblur.load(save_weights(tmp_path / "a.safetensors", tiny_swift()), device="cpu").meter is None
    own = unblur.load(save_weights(tmp_path / "b.safetensors", tiny_swift()), device="cpu", skip_sharp=True)
    assert own.meter._net is not own.net  # the thresholds are those of the built-in one
    built_in = unblur.load("swift", device="cpu", skip_sharp=True)
    assert built_in.meter._net is built_in.net


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (20, 30, 4)])
def test_sharp_pictures_are_left_alone_bit_for_bit(dtype, shape):
    bright = (np.random.default_rng(0).random(shape) * (1 if dtype is np.float32 else np.iinfo(dtype).max)).astype(dtype)
    dark, made = bright // 4 if dtype is not np.float32 else bright / 4, with_ruler(Darker())
    if len(shape) == 3:
        bright[..., :3] = bright[..., :3] // 2 + np.iinfo(dtype).max // 2 if dtype is not np.float32 else bright[..., :3] / 2 + 0.5
    else:
        bright = bright // 2 + np.iinfo(dtype).max // 2 if dtype is not np.float32 else bright / 2 + np.float32(0.5)
    report = made.photo_report(dark)
    np.testing.assert_array_equal(report.picture, dark)
    assert (report.skipped_sharp, report.network_seconds) == (1, 0)
    report = made.photo_report(bright)
    assert (report.picture != bright).any()
    assert report.skipped_sharp == 0


@pytest.mark.parametrize("temporal_fusion", [False, True])
def test_sharp_frames_are_left_alone(tmp_path, temporal_fusion):
    """Frames of the clip get brighter: the first ten are dark."""
    source = Clip(options={"crf": "0", "x264-params": "log-level=error"}).make(tmp_path / "a.mp4")
    with VideoReader(source) as clip:
        frames = [frame.pixels for frame in clip]
    dark = sum(frame.mean() < 255 / 2 for frame in frames)
    assert 0 < dark < len(frames)
    report = with_ruler(Darker()).video(source, tmp_path / "b.mp4", file_quality=100, temporal_fusion=temporal_fusion)
    assert f"{dark} of {len(frames)} frames are sharp" in report.warnings[-1]
    with VideoReader(tmp_path / "b.mp4") as clip:
        for before, after in zip(frames, clip, strict=True):
            close = np.abs(before.astype(int) - after.pixels).max() <= 2  # to the colours of the file and back
            assert close >= (before.mean() < 255 / 2)
            assert temporal_fusion or close == (before.mean() < 255 / 2)  # beside sharp neighbours, a restored one may be what it was


def test_a_sharp_photo_is_copied_byte_for_byte(tmp_path):
    from PIL import Image

    for name, level in (("dark", 20), ("bright", 220)):
        Image.fromarray(np.full((16, 16, 3), level, np.uint8)).save(tmp_path / f"{name}.jpg", quality=70)
    made = with_ruler(Darker())
    outcomes = {}
    for job in plan([tmp_path / "dark.jpg", tmp_path / "bright.jpg"], None):
        outcomes[job.source.stem] = restore_job(made, job, options=Options())
    assert (tmp_path / "dark_unblurred.jpg").read_bytes() == (tmp_path / "dark.jpg").read_bytes()
    assert (tmp_path / "bright_unblurred.jpg").read_bytes() != (tmp_path / "bright.jpg").read_bytes()
    assert outcomes["dark"].warnings == ("it is sharp, and was copied as it is",)
    (job,) = plan([tmp_path / "dark.jpg"], tmp_path / "dark.png")
    assert restore_job(made, job, options=Options()).status == "done"
    with Image.open(tmp_path / "dark.png") as png, Image.open(tmp_path / "dark.jpg") as jpeg:
        np.testing.assert_array_equal(np.asarray(png), np.asarray(jpeg))

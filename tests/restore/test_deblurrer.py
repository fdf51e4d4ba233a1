"""Pictures and clips through a `Deblurrer`; what the clips of `clips.py` hold is told there."""

import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from clips import Clip, Sound, number_of
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import CPU, Darker, Folded, GlobalMean, Hungry, Identity, NanMaker, deblurrer, tiny_swift
from PIL import Image as PillowImage
from torch import Tensor

from unblur.errors import DeviceError, InputError, OutputError, UnreadableError, UnsupportedError
from unblur.io.video import VideoReader
from unblur.restore import deblurrer as module
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.precision import Setup
from unblur.restore.report import VideoReport
from unblur.restore.temporal_fusion import TemporalFusion


def picture_of(shape: tuple[int, ...], dtype: type = np.uint8, *, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.floating):
        return random.random(shape).astype(dtype)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


# Kinds of pictures


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 1), (7, 9, 2), (7, 9, 3), (7, 9, 4), (1, 1), (1, 1, 3), (1, 40, 4), (130, 1, 3)])
def test_arrays_return_as_they_came(dtype, shape):
    picture = picture_of(shape, dtype)
    before = picture.copy()
    restored = deblurrer(Identity()).photo(picture)
    assert (restored.dtype, restored.shape) == (picture.dtype, picture.shape)
    assert not np.shares_memory(restored, picture)
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_allclose(restored, picture, rtol=0, atol=1e-6 if dtype in (np.float32, np.float64) else 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [2, 4])
def test_opacity_passes_through_bit_for_bit(dtype, channels):
    picture = picture_of((20, 30, channels), dtype)
    restored = deblurrer(Darker()).photo(picture)
    np.testing.assert_array_equal(restored[..., -1], picture[..., -1])
    assert (restored[..., :-1] != picture[..., :-1]).mean() > 0.9


def test_all_types_get_the_same_restoration():
    eight = picture_of((24, 31, 3))
    given = deblurrer(tiny_swift())
    wanted = given.photo(eight / np.float32(255))
    assert np.abs(wanted - eight / 255).max() > 0.02
    for scale, dtype in ((255, np.uint8), (65535, np.uint16)):
        restored = given.photo((eight.astype(dtype) * (scale // 255)).astype(dtype))
        np.testing.assert_allclose(restored / scale, wanted, rtol=0, atol=0.51 / scale + 1e-6)
    np.testing.assert_array_equal(given.photo(eight / np.float32(255)).astype(np.float64), wanted)


def test_grey_is_restored_as_grey_rgb():
    grey = picture_of((24, 32))
    colour = np.repeat(grey[..., None], 3, axis=2)
    given = deblurrer(tiny_swift())
    wanted = given.photo(colour / np.float32(255))
    unclamped = ((wanted > 0) & (wanted < 1)).all(axis=2)  # the mean is taken before values are cut off
    restored = given.photo(grey / np.float32(255))
    assert unclamped.mean() > 0.5
    np.testing.assert_allclose(restored[unclamped], wanted.mean(axis=2)[unclamped], rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_pillow_pictures(mode):
    channels = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,), "I;16": ()}[mode]
    pixels = picture_of((9, 13, *channels), np.uint16 if mode == "I;16" else np.uint8)
    picture = PillowImage.fromarray(pixels)
    picture.info["dpi"] = (300, 300)
    restored = deblurrer(Darker()).photo(picture)
    assert (restored.mode, restored.size, restored.info) == (mode, (13, 9), {"dpi": (300, 300)})
    np.testing.assert_array_equal(np.asarray(restored), deblurrer(Darker()).photo(pixels))
    np.testing.assert_array_equal(np.asarray(deblurrer(Darker()).photo(picture, strength=0)), pixels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("batch", [(), (1,), (3,)])
def test_tensors(dtype, batch):
    picture = torch.from_numpy(picture_of((*batch, 3, 10, 12), np.float32)).to(dtype).requires_grad_()
    restored = deblurrer(Darker()).photo(picture)
    assert (restored.dtype, restored.shape, restored.requires_grad) == (dtype, picture.shape, False)
    torch.testing.assert_close(restored, (0.9 * picture.detach().float()).to(dtype), rtol=0, atol=1e-6)


def test_a_batch_is_restored_one_by_one():
    pictures = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    given = deblurrer(tiny_swift())
    assert torch.equal(given.photo(pictures), torch.stack([given.photo(picture) for picture in pictures]))


@pytest.mark.parametrize("view", [lambda p: p[::-1], lambda p: p[:, ::2], lambda p: p.transpose(1, 0, 2), lambda p: p[..., ::-1]])
def test_views_of_arrays(view):
    picture = picture_of((16, 24, 3))
    given = deblurrer(tiny_swift())
    np.testing.assert_array_equal(given.photo(view(picture)), given.photo(np.ascontiguousarray(view(picture))))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_read_only_arrays_are_taken_without_a_warning(dtype):
    picture = picture_of((16, 16, 3), dtype)
    picture.flags.writeable = False
    restored = deblurrer(Darker()).photo(picture)
    assert restored.flags.writeable
    assert picture.max() == picture_of((16, 16, 3), dtype).max()


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70), seed=st.integers(0, 9))
def test_any_size_is_padded_and_cut_back(height, width, seed):
    picture = picture_of((height, width, 3), seed=seed)
    net = Folded(8)
    restored = deblurrer(net).photo(picture)
    assert net.seen[-1] == (-(-height // 8) * 8, -(-width // 8) * 8)
    pads = ((0, -height % 8), (0, -width % 8), (0, 0))
    whole = deblurrer(net).photo(np.pad(picture, pads, mode="reflect"))
    np.testing.assert_array_equal(restored, whole[:height, :width])


def test_the_same_input_gives_the_same_output():
    picture, given = picture_of((150, 140, 3)), deblurrer(tiny_swift(), tile=64)
    np.testing.assert_array_equal(given.photo(picture), given.photo(picture))


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (picture_of((3, 20, 30)), r"\(H, W, C\).*got \(3, 20, 30\)"),
        (picture_of((20, 30, 5)), "1 to 4 channels"),
        (picture_of((20,)), "H, W"),
        (picture_of((2, 20, 30, 3)), "H, W"),
        (np.zeros((0, 5, 3), np.uint8), "at least one pixel"),
        (np.zeros((5, 5, 3), np.int64), r"uint8, uint16 or float.*int64.*convert"),
        (np.zeros((5, 5, 3), bool), "bool"),
        (np.zeros((5, 5), np.complex64), "complex64"),
        (np.full((5, 5, 3), 255.0), r"\[0, 1\].*255.*scale"),
        (np.full((5, 5, 3), -0.1, np.float32), r"\[0, 1\].*-0.1"),
        (np.where(np.eye(5), np.nan, 0.5), r"\[0, 1\].*nan"),
        (np.full((5, 5), np.inf, np.float32), r"\[0, 1\]"),
        (torch.zeros(3, 5, 5, dtype=torch.uint8), r"float.*uint8"),
        (torch.zeros(5, 5, 3), r"\(3, H, W\).*\(5, 5, 3\)"),
        (torch.zeros(5, 5), r"\(3, H, W\)"),
        (torch.zeros(0, 3, 5, 5), r"\(3, H, W\)"),
        (torch.zeros(3, 0, 5), r"\(3, H, W\)"),
        (torch.full((3, 5, 5), 1.5), r"\[0, 1\].*1.5"),
        (PillowImage.new("P", (5, 5)), "mode P.*convert"),
        (PillowImage.new("CMYK", (5, 5)), "mode CMYK"),
        (PillowImage.new("1", (5, 5)), "mode 1"),
        ("photo.jpg", "array, a Pillow picture or a tensor, got str"),
        ([[0, 1]], "got list"),
    ],
)
def test_what_is_no_picture_is_refused(picture, words):
    net = Identity()
    with pytest.raises(InputError, match=words):
        deblurrer(net).photo(picture)
    assert not net.seen


# Strength


@pytest.mark.parametrize(
    "picture",
    [
        *(picture_of((9, 7, 3), dtype) for dtype in (np.uint8, np.uint16, np.float32, np.float64)),
        torch.from_numpy(picture_of((2, 3, 9, 7), np.float64)),
    ],
)
def test_strength_zero_is_the_input_bit_for_bit(picture):
    net = Darker()
    given = deblurrer(net)
    given.photo(picture)
    assert net.seen
    net.seen.clear()
    report = given.photo_report(picture, strength=0)
    assert (report.picture == picture).all()
    assert report.picture is not picture
    assert not net.seen
    assert report.kept_input == report.network_seconds == 0


def test_strength_mixes():
    picture = picture_of((24, 32, 3), np.float32)
    given = deblurrer(tiny_swift(), tile=64)
    full = given.photo(picture)
    for strength in (0.25, 0.5, 0.9):
        mixed = picture + strength * (full - picture)
        unclamped = (full > 0) & (full < 1)  # the mix is made before values are cut off
        np.testing.assert_allclose(given.photo(picture, strength=strength)[unclamped], mixed[unclamped], rtol=0, atol=1e-6)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_wrong_strengths(tmp_path, strength):
    with pytest.raises(InputError, match="strength must be between 0 and 1"):
        deblurrer(Identity()).photo(picture_of((5, 5)), strength=strength)
    with pytest.raises(InputError, match="strength must be between 0 and 1"):
        deblurrer(Identity()).video(tmp_path / "a.mp4", tmp_path / "b.mp4", strength=strength)


# Tiles and memory


@pytest.mark.parametrize("shape", [(150, 131), (65, 300, 3), (64, 64, 3), (200, 1, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiles_give_what_the_whole_gives(shape, dtype):
    picture = picture_of(shape, dtype)
    tiled, whole = Folded(8), Folded(8)
    restored = deblurrer(tiled, tile=64).photo(picture).astype(np.float64)
    assert (len(tiled.seen) > 1) == (max(shape) > 64)
    levels = 1 if np.issubdtype(dtype, np.integer) else 1e-6  # at most the rounding turns out differently
    np.testing.assert_allclose(restored, deblurrer(whole).photo(picture), rtol=0, atol=levels)
    assert restored.std() > 0


def test_a_network_that_sees_all_fades_from_tile_to_tile():
    """Its result differs between tiles, since each is bright to its own degree; still no seam shows."""
    picture = np.full((64, 512), 0.2, np.float32)
    picture[:, 256:] = 0.8
    restored = deblurrer(GlobalMean(), tile=64).photo(picture)
    steps = np.abs(np.diff(restored - 0.95 * picture, axis=1))
    assert steps.max() <= 0.05 * 0.6 * 0.05  # its share, the difference, and the steepest place of the fade
    assert steps.sum() > 0.01


def test_memory_decides_on_the_tiles(monkeypatch):
    picture, most = picture_of((300, 260, 3)), {}
    for free in (1 << 33, 60 << 20, 8 << 20, 1):
        monkeypatch.setattr(module, "free_bytes", lambda _device, free=free: free)
        net = Folded(2)
        deblurrer(net).photo(picture)
        most[free] = max(height * width for height, width in net.seen[1:])  # the first is for measuring
    assert most[1 << 33] == 300 * 260
    assert most[1 << 33] >= most[60 << 20] > most[8 << 20] > most[1]
    assert most[1] <= (75 + 2 * (net.receptive_radius + 16) + 2) ** 2  # four cores of 75 and 65


def test_a_tile_stays_within_the_budget(monkeypatch):
    monkeypatch.setattr(module, "free_bytes", lambda _device: 30 << 20)
    net = Folded(2)
    given = deblurrer(net)
    given.photo(picture_of((400, 500, 3)))
    allowed = given._pixels
    assert max(height * width for height, width in net.seen[1:]) <= allowed < 400 * 500
    assert allowed * 12 < 30 << 20  # a picture alone, in fp32


@pytest.mark.parametrize(("free", "whole"), [(8 << 30, True), (8 << 20, False)])
def test_a_network_gets_the_tile_that_it_prefers_where_there_is_memory(monkeypatch, free, whole):
    monkeypatch.setattr(module, "free_bytes", lambda _device: free)
    monkeypatch.setattr(module, "_CPU_BUDGET", 4 << 20)
    net = Folded(2)
    net.preferred_tile = 500
    deblurrer(net).photo(picture_of((400, 500, 3)))
    assert (max(height * width for height, width in net.seen[1:]) >= 400 * 500) is whole


def test_memory_is_asked_once(monkeypatch):
    """What the first frame took is kept for the next, and does not count as free: tiles must not shrink on its account."""
    free = iter([60 << 20, 1, 1, 1])
    monkeypatch.setattr(module, "free_bytes", lambda _device: next(free))
    net = Folded(2)
    given = deblurrer(net)
    given.photo(picture_of((300, 260, 3)))
    first = net.seen[1:]
    net.seen.clear()
    given.photo(picture_of((300, 260, 3), seed=1))
    assert net.seen == first


@pytest.mark.parametrize(
    "text", ["DefaultCPUAllocator: can't allocate memory", "CUDA out of memory. Tried to allocate 2.00 GiB", "MPS backend out of memory"]
)
def test_tiles_are_halved_when_memory_runs_out(text):
    picture = picture_of((400, 300, 3))
    net = Hungry(150 * 150, text)
    given = deblurrer(net)
    np.testing.assert_array_equal(given.photo(picture), picture)
    assert net.seen[1:4] == [(400, 300), (216, 166), (116, 116)]  # after the measuring: 1, 4 and 12 cores, and their halos
    assert max(height * width for height, width in net.seen[-4:]) <= 150 * 150
    tried = len(net.seen)
    given.photo(picture)
    assert all(height * width <= 150 * 150 for height, width in net.seen[tried:])  # it has learnt


def test_a_given_tile_is_halved_too():
    net = Hungry(200 * 200)
    picture = picture_of((500, 500, 3))
    np.testing.assert_array_equal(deblurrer(net, tile=400).photo(picture), picture)


@pytest.mark.parametrize("most", [50 * 50, 100, 130 * 130 - 1])
def test_too_little_memory_even_for_the_smallest_tile(most):
    net = Hungry(most)
    net.receptive_radius = 40
    with pytest.raises(DeviceError, match=r"memory on `cpu` is too small.*close other programs$"):
        deblurrer(net).photo(picture_of((300, 300, 3)))


def test_other_errors_of_a_network_are_not_hidden():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        deblurrer(Hungry(1, "mat1 and mat2 shapes cannot be multiplied")).photo(picture_of((30, 30)))


def test_what_cannot_be_used():
    net = Identity()
    with pytest.raises(InputError, match="at least 64"):
        deblurrer(net, tile=63)


# Several sizes


class Lighter(Identity):
    """Makes small pictures lighter, and the more so the smaller they are."""

    scale_step = 2.0

    def __init__(self, *, power: float = 1.0) -> None:
        super().__init__()
        self.power, self.by = power, 0.02

    def change(self, blurry: Tensor) -> Tensor:
        return blurry + self.by * (600 / blurry.shape[-1]) ** self.power


def test_a_picture_is_restored_from_the_smallest_size_on_and_joined():
    net = Lighter(power=0.2)
    picture = np.full((300, 600, 3), 0.5, np.float32)
    restored = deblurrer(net).photo(picture)
    assert net.seen[1:] == [(150, 300), (300, 600)]  # the first is for measuring memory
    assert restored.mean() - 0.5 == pytest.approx(0.0212, abs=0.0008)  # both are alike, and the picture's own counts more
    assert deblurrer(net).photo((255 * picture).astype(np.uint8)).dtype == np.uint8


def test_larger_sizes_are_left_out_once_they_tell_nothing():
    net = Lighter(power=1.0)
    picture = np.full((600, 600, 3), 0.5, np.float32)
    restored = deblurrer(net).photo(picture)
    assert net.seen[1:] == [(150, 150), (300, 300)]  # half the change is a quarter of its square
    assert restored.mean() - 0.5 > 0.07


def test_what_changes_by_chance_at_small_sizes_leaves_none_out():
    """Some photos of little blur were given back as they were: the least sizes, at which they are sharp, changed by 0.002 and 0.001."""
    net = Lighter(power=1.0)
    net.by = 0.002
    deblurrer(net).photo(np.full((600, 600, 3), 0.5, np.float32))
    assert net.seen[1:] == [(150, 150), (300, 300), (600, 600)]


def test_a_scale_below_1_is_what_the_network_sees():
    net = Identity()
    picture = np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8)
    assert np.array_equal(deblurrer(net).photo(picture, scale=0.5), picture)  # no change, however enlarged, changes no detail
    assert net.seen[-1] == (20, 32)


def test_a_change_of_a_smaller_picture_is_enlarged():
    picture = np.full((48, 64, 3), 200, np.uint8)
    whole, small = (deblurrer(Darker()).photo(picture, scale=scale) for scale in (1.0, 0.3))
    assert np.abs(whole.astype(int) - small).max() <= 1


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, float("nan")])
def test_wrong_scales(scale):
    with pytest.raises(InputError, match="scale"):
        deblurrer(Identity()).photo(np.zeros((8, 8, 3), np.uint8), scale=scale)


def test_one_size_can_be_asked_for_and_networks_of_papers_have_it():
    picture = picture_of((300, 300, 3))
    for net, single_scale in ((Lighter(), True), (Identity(), False)):
        Deblurrer(net.eval(), setup=Setup(CPU, torch.float32), single_scale=single_scale).photo(picture)
        assert net.seen[1:] == [(300, 300)]


def test_of_several_sizes_the_fail_safe_counts_where_all_of_them_fail():
    class Broken(Identity):
        scale_step = 2.0

        def change(self, blurry: Tensor) -> Tensor:
            return torch.full_like(blurry, torch.nan) if blurry.shape[-1] < 300 else blurry + 0.05

    given = deblurrer(Broken())
    picture = np.full((300, 300, 3), 0.5, np.float32)
    report = given.photo_report(picture)
    np.testing.assert_allclose(report.picture, 0.55, atol=1e-5)
    assert report.kept_input == 0


# Frames that are in no file


@pytest.mark.parametrize("temporal_fusion", [False, True])
def test_frames_come_back_in_order_one_for_each(temporal_fusion):
    frames = [picture_of((40, 56, 3), seed=number) for number in range(4)]
    restored = list(deblurrer(Darker()).frames(iter(frames), temporal_fusion=temporal_fusion, strength=1.0))
    assert len(restored) == 4
    if not temporal_fusion:
        for before, after in zip(frames, restored, strict=True):
            np.testing.assert_array_equal(after, deblurrer(Darker()).photo(before))


def test_frames_of_a_file_are_restored_alike(tmp_path):
    clip = Clip().make(tmp_path / "clip.mkv")
    given = deblurrer(Darker())
    given.video(clip, tmp_path / "out.mkv", codec="ffv1")
    with VideoReader(clip) as reader, VideoReader(tmp_path / "out.mkv") as written:
        for made, frame in zip(given.frames(frame.pixels for frame in reader), written, strict=True):
            assert np.abs(made.astype(int) - frame.pixels).max() <= 3  # what turning colours to those of the file and back takes


@pytest.mark.parametrize("frame", [np.zeros((4, 5), np.uint8), np.zeros((4, 5, 3), np.float32), "frame.png"])
def test_what_is_no_frame(frame):
    with pytest.raises(InputError, match=r"a frame must be an array \(H, W, 3\) of uint8 or uint16, got"):
        list(deblurrer(Identity()).frames([frame]))


def test_a_strength_that_is_none_is_said_before_the_first_frame():
    with pytest.raises(InputError, match="strength must be between 0 and 1"):
        next(deblurrer(Identity()).frames([], strength=2))


# The fail-safe


@pytest.mark.parametrize("tile", [None, 64])
def test_broken_results_keep_the_input_and_are_reported(tile):
    picture = picture_of((300, 420, 3), np.float32) * np.float32(0.8)
    picture[100:105, 100:105] = 1
    given = deblurrer(NanMaker(), tile=tile)
    report = given.photo_report(picture)
    np.testing.assert_allclose(report.picture, picture, atol=1e-6)
    assert 0 < report.kept_input < 1
    assert given.photo_report(picture * np.float32(0.5)).kept_input == 0


def test_a_batch_reports_its_mean():
    pictures = torch.zeros(4, 3, 20, 20)
    pictures[1] = 1
    assert deblurrer(NanMaker()).photo_report(pictures).kept_input == 0.25


# Clips


def restore(source: Path, target: Path, *, net: Identity | None = None, **options) -> VideoReport:
    report = deblurrer(net or Identity()).video(source, target, **options)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("unblur-")]
    return report


def shown(path: Path) -> list[tuple[Fraction, int]]:
    reader = VideoReader(path)
    return [(frame.pts * reader.info.time_base, number_of(frame.pixels)) for frame in reader]


def streams(path: Path, kind: str) -> list[list[tuple[int, bytes]]]:
    """Times and bytes of the packets of each stream of a kind."""
    with av.open(str(path)) as container:
        found: dict[int, list[tuple[int, bytes]]] = {stream.index: [] for stream in container.streams if stream.type == kind}
        for packet in container.demux():
            if packet.size and packet.stream.index in found:
                found[packet.stream.index].append((packet.pts, bytes(packet)))
    return list(found.values())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


X264 = {"preset": "veryfast", "bf": "3", "crf": "10", "x264-params": "log-level=none"}


@pytest.mark.parametrize(
    "clip",
    [
        Clip(),
        Clip(pts=[0, 1, 2, 40, 41, 500, 501, 4000, 9000], options=X264),  # variable rate, B-frames
        Clip(pts=range(-200, 400, 40), options=X264),  # an edit list
        Clip(pts=[70]),
        Clip(size=(63, 47), pixel_format="yuv444p"),
        Clip(encoder="libx265", pixel_format="yuv420p10le", options={"x265-params": "log-level=error", "crf": "10"}),
        Clip(rotation=90),
    ],
)
def test_frames_keep_their_times_and_their_kind(tmp_path, clip):
    source, target = clip.make(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    net = Identity()
    report = restore(source, target, net=net)
    assert shown(target) == shown(source)
    assert report.frames == len(shown(source))
    assert set(net.seen[1:]) == {clip.size[::-1]}
    before, after = VideoReader(source).info, VideoReader(target).info
    for name in ("width", "height", "bit_depth", "rotation", "display_matrix", "colour", "codec", "time_base"):
        assert getattr(after, name) == getattr(before, name), name


def test_sound_and_subtitles_are_copied(tmp_path):
    clip = Clip(sounds=[Sound(), Sound(language="fra", start=960)], subtitles="subrip", chapters=True, attachment=True)
    source = clip.make(tmp_path / "a.mkv")
    report = restore(source, tmp_path / "b.mkv")
    for kind, count in (("audio", 2), ("subtitle", 1)):
        assert streams(tmp_path / "b.mkv", kind) == streams(source, kind)
        assert len(streams(source, kind)) == count
    assert report.warnings == ()


def test_what_the_container_cannot_hold_is_told(tmp_path):
    source = Clip(sounds=[Sound()], attachment=True).make(tmp_path / "a.mkv")
    report = restore(source, tmp_path / "b.mp4")
    assert any("cannot be kept in `.mp4`; write to `.mkv`" in warning for warning in report.warnings)


def test_frames_are_restored_and_mixed(tmp_path):
    source = Clip(pts=[0, 40, 80], options={"crf": "0", "x264-params": "log-level=error"}).make(tmp_path / "a.mp4")
    before = np.array([frame.pixels.mean() for frame in VideoReader(source)])
    for strength in (0.0, 0.5, 1.0):
        target = tmp_path / f"{strength}.mp4"
        report = restore(source, target, net=Darker(), strength=strength, temporal_fusion=False, file_quality=100)
        after = np.array([frame.pixels.mean() for frame in VideoReader(target)])
        np.testing.assert_allclose(after, (1 - 0.1 * strength) * before, atol=1)
        assert (report.network_seconds > 0) == (strength > 0)
        assert report.network_seconds <= report.seconds


def test_strength_holds_for_what_neighbours_change_too(tmp_path, monkeypatch):
    shares = []

    class Noting(TemporalFusion):
        def __init__(self, **arguments):
            shares.append(arguments)
            super().__init__(**arguments)

    monkeypatch.setattr("unblur.restore.deblurrer.TemporalFusion", Noting)
    source = Clip(pts=[0, 40, 80]).make(tmp_path / "a.mp4")
    for strength in (0.0, 0.3, 1.0):
        restore(source, tmp_path / f"{strength}.mp4", net=Darker(), strength=strength)
    assert shares == [{"strength": 0.3}, {"strength": 1.0}]


def test_frames_flicker_less_where_it_is_asked_for(tmp_path):
    """A picture that stands still, with other noise in every frame, by a network that changes nothing."""

    class Flickering(Identity):
        def change(self, blurry):
            noise = torch.randn(blurry.shape, generator=torch.Generator().manual_seed(len(self.seen)))
            return blurry + 0.006 * noise

    still = av.VideoFrame.from_ndarray(picture_of((48, 64, 3)), "rgb24").reformat(format="yuv444p")
    source = Clip(pts=range(0, 400, 40), picture=still, pixel_format="yuv444p", options={"crf": "0", "x264-params": "log-level=error"})
    source.make(tmp_path / "a.mp4")
    flicker = {}
    for temporal_fusion in (False, True):
        report = restore(
            tmp_path / "a.mp4", tmp_path / f"{temporal_fusion}.mp4", net=Flickering(), temporal_fusion=temporal_fusion, file_quality=100
        )
        assert report.frames == 10
        frames = np.stack([frame.pixels.astype(float) for frame in VideoReader(tmp_path / f"{temporal_fusion}.mp4")])
        flicker[temporal_fusion] = np.abs(np.diff(frames, axis=0)).mean()
    assert flicker[True] < 0.7 * flicker[False]


def test_codec_and_file_quality_reach_the_writer(tmp_path):
    noise = av.VideoFrame.from_ndarray(picture_of((48, 64, 3)), "rgb24").reformat(format="yuv420p")
    source = Clip(pts=[0, 40, 80], picture=noise).make(tmp_path / "a.mkv")
    sizes = []
    for quality in (20, 90):
        restore(source, tmp_path / f"{quality}.mkv", codec="hevc", file_quality=quality)
        assert VideoReader(tmp_path / f"{quality}.mkv").info.codec == "hevc"
        sizes.append((tmp_path / f"{quality}.mkv").stat().st_size)
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize(
    ("part", "numbers"), [({"start": 0.2}, range(5, 15)), ({"duration": 0.2}, range(5)), ({"start": 0.2, "duration": 0.2}, range(5, 10))]
)
def test_a_preview_restores_a_part(tmp_path, part, numbers):
    source = Clip(sounds=[Sound()]).make(tmp_path / "a.mp4")
    calls = []
    report = restore(source, tmp_path / "b.mp4", progress=lambda done, total: calls.append((done, total)), **part)
    assert shown(tmp_path / "b.mp4") == [(Fraction(40 * i, 1000), number) for i, number in enumerate(numbers)]
    assert report.frames == len(numbers)
    assert calls == [(i + 1, len(numbers)) for i in range(len(numbers))]


def test_a_clip_that_was_cut_off_is_restored_as_far_as_it_goes(tmp_path):
    source = Clip(pts=range(0, 4000, 40), sounds=[Sound(seconds=4)]).make(tmp_path / "a.mkv")
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])
    report = restore(source, tmp_path / "b.mkv")
    assert shown(tmp_path / "b.mkv") == shown(source)
    assert 10 < report.frames < 90
    assert any("broken off" in warning for warning in report.warnings)


def test_broken_results_keep_the_input_and_are_told(tmp_path):
    white = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 255, np.uint8), "rgb24").reformat(format="yuv420p")
    source = Clip(pts=[0, 40], picture=white).make(tmp_path / "a.mp4")
    report = restore(source, tmp_path / "b.mp4", net=NanMaker())
    assert report.kept_input == 1
    assert any("100.0 % of the area" in warning for warning in report.warnings)
    assert next(iter(VideoReader(tmp_path / "b.mp4"))).pixels.mean() > 250


def test_strength_zero_says_nothing_of_earlier_pictures(tmp_path):
    given = deblurrer(NanMaker())
    assert given.photo_report(np.full((8, 8), 255, np.uint8)).kept_input == 1
    report = given.video(Clip(pts=[0, 40]).make(tmp_path / "a.mp4"), tmp_path / "b.mp4", strength=0)
    assert (report.kept_input, report.warnings) == (0, ())


@pytest.mark.parametrize("content", [b"", b"neither a clip nor anything else" * 99])
def test_what_is_no_clip_is_refused(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(UnreadableError, match=r"a\.mp4"):
        restore(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert names(tmp_path) == ["a.mp4"]


def test_a_clip_that_is_not_there(tmp_path):
    with pytest.raises(UnreadableError, match=r"a\.mp4"):
        restore(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert names(tmp_path) == []


def test_an_existing_target_is_refused_before_the_work(tmp_path):
    source = Clip().make(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_text("precious")
    net = Identity()
    with pytest.raises(OutputError, match="--overwrite"):
        restore(source, tmp_path / "b.mp4", net=net)
    assert not net.seen
    assert (tmp_path / "b.mp4").read_text() == "precious"
    restore(source, tmp_path / "b.mp4", net=net, overwrite=True)
    assert shown(tmp_path / "b.mp4") == shown(source)


def test_a_folder_that_cannot_be_written(tmp_path):
    source = Clip().make(tmp_path / "a.mp4")
    (tmp_path / "file").write_text("no folder")
    net = Identity()
    with pytest.raises(OutputError, match="cannot write"):
        restore(source, tmp_path / "file" / "b.mp4", net=net)
    assert not net.seen
    assert names(tmp_path) == ["a.mp4", "file"]


class Noise(Identity):
    """Makes every frame noise of its own, which is expensive to encode."""

    def change(self, blurry: Tensor) -> Tensor:
        return torch.rand(blurry.shape, generator=torch.Generator().manual_seed(len(self.seen)))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("allowed", [1500, 60000])
def test_a_full_disk_leaves_nothing_behind(tmp_path, suffix, allowed):
    """The system really refuses to write more, by its limit on the size of files."""
    noise = av.VideoFrame.from_ndarray(picture_of((48, 64, 3)), "rgb24").reformat(format="yuv420p")
    source = Clip(pts=range(0, 1200, 40), encoder="ffv1", options={}, picture=noise).make(tmp_path / "a.mkv")
    resource = pytest.importorskip("resource", reason="Windows has no limit on the size of files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(OutputError, match=r"cannot write|disk"):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, hard))
            deblurrer(Noise()).video(source, tmp_path / f"b{suffix}", file_quality=100)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == ["a.mkv"]


class Failing(Identity):
    """Fails at the fifth frame."""

    def change(self, blurry: Tensor) -> Tensor:
        if len(self.seen) == 6:  # the first is for measuring
            raise RuntimeError("the network broke")
        return blurry


def test_a_network_that_fails_leaves_nothing_behind(tmp_path):
    source = Clip().make(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_text("precious")
    with pytest.raises(RuntimeError, match="the network broke"):
        restore(source, tmp_path / "b.mp4", net=Failing(), overwrite=True)
    assert names(tmp_path) == ["a.mp4", "b.mp4"]
    assert (tmp_path / "b.mp4").read_text() == "precious"
    restore(source, tmp_path / "b.mp4", overwrite=True)  # and it can be done again


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_error_of_progress_ends_the_work(tmp_path, error):
    def progress(done, _total):
        if done == 3:
            raise error

    source = Clip().make(tmp_path / "a.mp4")
    with pytest.raises(error):
        restore(source, tmp_path / "b.mp4", progress=progress)
    assert names(tmp_path) == ["a.mp4"]


# Going on


@pytest.fixture
def short_gops(monkeypatch):
    """So that some frames are enough to see several segments."""
    monkeypatch.setattr("unblur.io.encoders.KEY_EVERY", "12")


def stopped_at(number: int):
    def progress(done, _total):
        if done == number:
            raise KeyboardInterrupt

    return progress


@pytest.mark.usefixtures("short_gops")
@pytest.mark.parametrize("temporal_fusion", [False, True])
def test_a_clip_that_was_stopped_is_gone_on_with(tmp_path, temporal_fusion):
    source = Clip(pts=range(0, 60 * 40, 40), sounds=[Sound()]).make(tmp_path / "a.mp4")
    given = {"file_quality": 100, "temporal_fusion": temporal_fusion}
    whole = restore(source, tmp_path / "whole.mp4", net=tiny_swift(), **given)
    assert whole.resumed_after == 0
    with pytest.raises(KeyboardInterrupt):
        restore(source, tmp_path / "b.mp4", net=tiny_swift(), **given, progress=stopped_at(58))
    assert names(tmp_path) == [".b.mp4.frames", ".b.mp4.journal", "a.mp4", "whole.mp4"]
    told = []
    report = restore(source, tmp_path / "b.mp4", net=tiny_swift(), **given, progress=lambda *counts: told.append(counts))
    assert report.frames == 60
    assert report.resumed_after == 58
    assert told == [(59, 60), (60, 60)]
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert names(tmp_path) == ["a.mp4", "b.mp4", "whole.mp4"]


@pytest.mark.usefixtures("short_gops")
@pytest.mark.parametrize("change", ["strength", "network", "source", "part", "temporal_fusion"])
def test_what_is_done_otherwise_begins_anew(tmp_path, change):
    source = Clip(pts=range(0, 60 * 40, 40)).make(tmp_path / "a.mp4")
    with pytest.raises(KeyboardInterrupt):
        restore(source, tmp_path / "b.mp4", net=tiny_swift(), progress=stopped_at(58))
    if change == "source":
        source.touch()
    changes = {
        "strength": {"strength": 0.5},
        "network": {"net": tiny_swift(seed=1)},
        "part": {"duration": 2.0},
        "temporal_fusion": {"temporal_fusion": False},
    }
    report = restore(source, tmp_path / "b.mp4", **({"net": tiny_swift()} | changes.get(change, {})))
    assert (report.frames, report.resumed_after) == (50 if change == "part" else 60, 0)
    assert names(tmp_path) == ["a.mp4", "b.mp4"]


def test_interlaced_clips_need_a_word(tmp_path):
    options = {"x264-params": "log-level=error:tff=1", "flags": "+ildct+ilme", "crf": "10"}
    source = Clip(options=options).make(tmp_path / "a.mp4")
    with pytest.raises(UnsupportedError, match="interlaced"):
        restore(source, tmp_path / "b.mp4")
    assert restore(source, tmp_path / "b.mp4", interlaced="keep").frames == 15

import pytest
import torch

from unblur.errors import InputError
from unblur.metrics import align_translation, ms_ssim, protocols, psnr, to_8_bit
from unblur.metrics.pictures import luma


def test_the_eight_names():
    assert protocols.names() == ("gopro-skimage", "gopro-matlab", "dvd-all", "dvd-30f", "realblur-ecc", "kohler", "reds-val300", "bsd")


@pytest.mark.parametrize("name", protocols.names())
def test_each_is_found_by_name_and_id_and_states_its_source(name):
    protocol = protocols.get(name)
    assert protocol.name == name
    assert protocols.get(protocol.id) is protocol
    assert protocol.source.endswith(".")
    assert protocol.round_to_8_bit
    assert protocol.ssim_forms


def test_unknown_names_list_near_ones():
    with pytest.raises(InputError, match=r"did you mean gopro-skimage.*all of them: gopro-skimage, gopro-matlab"):
        protocols.get("gopro-scikit")
    with pytest.raises(InputError, match="no protocol 'xyzzy'; all of them"):
        protocols.get("xyzzy")
    with pytest.raises(InputError, match="not the version that is here, 'kohler@1'"):
        protocols.get("kohler@7")


def test_frames_of_the_video_protocols():
    thirty = protocols.get("dvd-30f").frames.select(100)
    assert len(thirty) == 30
    assert thirty[:4] == (1, 4, 7, 10)  # floor(2 + k·95/29) - 1 for k = 0 ... 3
    assert thirty[-2:] == (92, 96)
    assert protocols.get("reds-val300").frames.select(100) == (9, 19, 29, 39, 49, 59, 69, 79, 89, 99)
    assert protocols.get("bsd").frames.select(150) == tuple(range(2, 148))
    assert protocols.get("dvd-all").frames.select(100) == tuple(range(100))
    with pytest.raises(InputError, match="too short"):
        protocols.get("dvd-30f").frames.select(96)


def test_what_tells_them_apart(picture, noisy):
    sharp = picture(48, 52)
    restored = noisy(sharp, 0.05)
    rows = {
        name: protocols.get(name).measure(restored, sharp)
        for name in ("gopro-skimage", "gopro-matlab", "reds-val300", "bsd", "realblur-ecc")
    }
    assert rows["gopro-skimage"] == rows["bsd"]
    assert rows["gopro-matlab"] == rows["reds-val300"]
    assert rows["gopro-matlab"]["ssim_3d"] > rows["gopro-skimage"]["ssim"] + 0.005
    assert rows["realblur-ecc"]["psnr"] != rows["gopro-skimage"]["psnr"]
    assert rows["realblur-ecc"]["aligned"] == 1


def test_kohler_takes_the_best_of_a_trajectory(picture):
    detail = torch.rand(1, 3, 200, 200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scene = 0.7 * picture(200, 200) + 0.3 * detail
    restored = 0.9 * scene[..., 16:186, 16:186]
    # one truth shows the same from two pixels aside, the others show it out of focus
    same = scene[..., 14:184, 18:188]
    others = [torch.nn.functional.avg_pool2d(same, size, stride=1, padding=size // 2, count_include_pad=False) for size in (3, 5)]
    kohler = protocols.get("kohler")
    row = kohler.measure(restored, [others[0], same, others[1]])
    assert row == kohler.measure(restored, same)
    aligned = align_translation(to_8_bit(restored), to_8_bit(same))
    assert (aligned.transform[0, 2], aligned.transform[1, 2]) == (2, -2)
    assert row["psnr"] == psnr(luma(aligned.restored), luma(aligned.sharp)).item()
    assert row["mssim"] == ms_ssim(aligned.restored, aligned.sharp, form="metrix").item()
    assert row["psnr"] > max(kohler.measure(restored, other)["psnr"] for other in others) + 3


def test_dvd_thirty_frames_are_averaged_by_video():
    assert protocols.get("dvd-30f").averaging == "sequences"
    assert protocols.get("dvd-all").averaging == "pictures"

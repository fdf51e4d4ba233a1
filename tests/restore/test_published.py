"""Published architectures, small and with random weights, through the real spandrel; left out where it cannot be imported."""

import importlib
import warnings

import av
import numpy as np
import pytest
import torch
from PIL import Image

import unblur
from unblur.app import cli
from unblur.bench.contender import open_contender


def importable(name):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(name)
    except Exception:  # noqa: BLE001 - a torchvision that does not match torch raises a RuntimeError
        return False
    return True


needs_spandrel = pytest.mark.skipif(not importable("spandrel"), reason="spandrel is not installed, or torchvision does not match torch")
needs_companion = pytest.mark.skipif(not importable("spandrel_extra_arches"), reason="spandrel_extra_arches is not installed")


def architecture(name):
    """The class of a network of spandrel, or of its companion."""
    library = "spandrel_extra_arches" if name == "Restormer" else "spandrel"
    return getattr(importlib.import_module(f"{library}.architectures.{name}"), name)


def small(name):
    if name == "NAFNet":
        return architecture(name)(width=8, middle_blk_num=1, enc_blk_nums=[1, 1, 1, 1], dec_blk_nums=[1, 1, 1, 1])
    if name == "Restormer":
        return architecture(name)(dim=8, num_blocks=[1, 1, 1, 1], num_refinement_blocks=1, heads=[1, 2, 4, 8], bias=False)
    return architecture(name)(inp_channels=3, out_channels=3, dim=8, num_blocks=[1, 1, 1], num_refinement_blocks=1, bias=False)


LAST = {"NAFNet": "ending", "Restormer": "output", "FFTformer": "output"}
"""The layer of each that makes the picture, whose weights are kept small here: the fail-safe undoes what changes the brightness."""


@pytest.fixture
def checkpoint(tmp_path):
    """Saves a small network with random weights; gives the path."""

    def make(name):
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            net = small(name)
            for key, parameter in net.named_parameters():
                if key.endswith(("beta", "gamma")):  # zero in a NAFNet that was never trained
                    torch.nn.init.uniform_(parameter, -0.3, 0.3)
            last = getattr(net, LAST[name])
            last.weight.data *= 0.2
            last.weight.data -= last.weight.data.mean(dim=(2, 3), keepdim=True)
            if last.bias is not None:
                last.bias.data.zero_()
        path = tmp_path / f"{name}.pth"
        torch.save({"params": net.state_dict()}, path)
        return path

    return make


def picture(height, width):
    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(0, 256, (height // 8, width // 8, 3), np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255


@needs_spandrel
@pytest.mark.parametrize("name", ["NAFNet", "FFTformer", pytest.param("Restormer", marks=needs_companion)])
def test_tiles_of_a_published_network_give_nearly_what_the_whole_gives(checkpoint, name):
    """All but exactly where the network is local; where it averages over the picture, within what was measured when it was loaded."""
    photo = picture(133, 251)
    path = checkpoint(name)
    whole, tiled = (unblur.load(weights=path, device="cpu", precision="fp32", tile=tile) for tile in (1024, 96))
    expected = whole.photo(photo)
    assert whole.net.system == name
    assert whole.kept_input == 0
    assert np.abs(expected - photo).max() > 0.01  # it did something
    assert np.abs(tiled.photo(photo) - expected).max() < (5e-3 if whole.net.global_context else 1e-4)


@needs_spandrel
def test_the_command_restores_an_odd_photo_and_a_clip_with_a_nafnet(checkpoint, tmp_path, monkeypatch):
    path = checkpoint("NAFNet")
    monkeypatch.chdir(tmp_path)
    before = np.round(255 * picture(61, 75)).astype(np.uint8)
    Image.fromarray(before).save("photo.png")
    with av.open("clip.mp4", "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number in range(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 48, 3), 60 * number + 40, np.uint8), format="rgb24")))
        file.mux(stream.encode(None))
    monkeypatch.setattr("sys.argv", ["unblur", "photo.png", "clip.mp4", "--weights", str(path), "--device", "cpu", "--precision", "fp32"])
    cli.app(standalone_mode=False)
    with Image.open("photo_unblurred.png") as restored:
        assert restored.size == (75, 61)
        assert (np.asarray(restored) != before).any()
    with av.open("clip_unblurred.mp4") as file:
        assert sum(1 for _ in file.decode(video=0)) == 3


@needs_spandrel
def test_a_published_network_is_counted(checkpoint):
    contender = open_contender(str(checkpoint("NAFNet")), published=True, device="cpu", precision="fp32")
    assert contender.system == "NAFNet"
    assert 0 < contender.cost.parameters < contender.cost.multiply_adds

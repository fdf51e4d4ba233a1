"""OpenEXR: linear light of half and single precision, and all that is in the file besides."""

import sys

import numpy as np
import pytest

from unblur.errors import OutputError, UnreadableError, UnsupportedError
from unblur.io.exr import exr_size
from unblur.io.image import Image, is_image, output_suffix, read_image, size_of, write_image
from unblur.pixels import srgb_of_linear

HEIGHT, WIDTH = 20, 30


@pytest.fixture
def library():
    return pytest.importorskip("OpenEXR", reason="the extra `exr` is not installed")


def plane(dtype=np.float16, *, seed=0):
    return np.random.default_rng(seed).random((HEIGHT, WIDTH)).astype(dtype)


def written(library, path, channels, **header):
    library.File({"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage} | header, dict(channels)).write(
        str(path)
    )  # which changes both
    return path


def channels_of(library, path, part=0):
    return {name: channel.pixels for name, channel in library.File(str(path), separate_channels=True).parts[part].channels.items()}


def colours(dtype):
    return {name: plane(dtype, seed=seed) for seed, name in enumerate("RGB")}


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_round_trip(tmp_path, library, dtype):
    stored = colours(dtype)
    source = written(library, tmp_path / "a.exr", stored, owner="me", chromaticities=(0.7, 0.3, 0.2, 0.8, 0.1, 0.1, 0.3, 0.3))
    image = read_image(source)
    expected = srgb_of_linear(np.stack([stored[name] for name in "RGB"], axis=-1).astype(np.float32))
    np.testing.assert_allclose(image.pixels, expected, atol=1e-6)
    assert image.notes == ("its values were taken for linear light, and restored under the transfer function of sRGB",)
    assert write_image(tmp_path / "b.exr", image) == ()
    back = channels_of(library, tmp_path / "b.exr")
    for name, values in stored.items():
        assert back[name].dtype == dtype
        np.testing.assert_allclose(back[name].astype(float), values.astype(float), rtol=1e-3 if dtype == np.float16 else 2e-6, atol=1e-7)
    header = library.File(str(tmp_path / "b.exr")).header()
    assert header["owner"] == "me"
    np.testing.assert_allclose(header["chromaticities"], (0.7, 0.3, 0.2, 0.8, 0.1, 0.1, 0.3, 0.3), rtol=1e-6)


def test_other_channels_are_kept_as_they_are(tmp_path, library):
    more = {"A": plane(), "Z": plane(np.float32), "id": (plane(np.float32) * 99).astype(np.uint32)}
    source = written(library, tmp_path / "a.exr", colours(np.float16) | more)
    image = read_image(source)
    assert image.notes[0] == "its further channels were kept as they are (A, Z, id)"
    write_image(tmp_path / "b.exr", image.with_pixels(image.pixels * np.float32(0.5)))
    back = channels_of(library, tmp_path / "b.exr")
    for name, values in more.items():
        np.testing.assert_array_equal(back[name], values)
    assert back["R"].mean() < 0.5 * source_mean(library, source)


def source_mean(library, path):
    return channels_of(library, path)["R"].mean()


def test_grey_and_layers(tmp_path, library):
    grey = read_image(written(library, tmp_path / "a.exr", {"Y": plane(np.float32)}))
    assert grey.pixels.shape == (HEIGHT, WIDTH, 1)
    layer = {f"beauty.{name}": values for name, values in colours(np.float16).items()} | {"depth.V": plane()}
    image = read_image(written(library, tmp_path / "b.exr", layer))
    assert image.metadata.exr.names == ("beauty.R", "beauty.G", "beauty.B")
    write_image(tmp_path / "c.exr", image)
    assert channels_of(library, tmp_path / "c.exr").keys() == layer.keys()


def test_parts(tmp_path, library):
    header = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
    parts = [library.Part(dict(header), {"Z": plane()}, "depth"), library.Part(dict(header), colours(np.float16), "colour")]
    library.File(parts).write(str(tmp_path / "a.exr"))
    write_image(tmp_path / "b.exr", read_image(tmp_path / "a.exr"))
    assert [part.name() for part in library.File(str(tmp_path / "b.exr")).parts] == ["depth", "colour"]
    np.testing.assert_array_equal(channels_of(library, tmp_path / "b.exr")["Z"], plane())


def test_windows_and_sizes(tmp_path, library):
    windows = {"dataWindow": (np.array([5, 6], np.int32), np.array([5 + WIDTH - 1, 6 + HEIGHT - 1], np.int32))}
    source = written(library, tmp_path / "a.exr", colours(np.float16), **windows)
    assert exr_size(source) == size_of(source) == (WIDTH, HEIGHT)
    write_image(tmp_path / "b.exr", read_image(source))
    low, high = library.File(str(tmp_path / "b.exr")).header()["dataWindow"]
    assert (low.tolist(), high.tolist()) == ([5, 6], [WIDTH + 4, HEIGHT + 5])


def test_lights_keep_their_values(tmp_path, library):
    stored = colours(np.float16)
    stored["R"][0, 0] = 300
    write_image(tmp_path / "b.exr", read_image(written(library, tmp_path / "a.exr", stored)))
    assert abs(channels_of(library, tmp_path / "b.exr")["R"][0, 0] - 300) <= 1


def test_another_format_says_what_it_does_not_hold(tmp_path, library):
    image = read_image(written(library, tmp_path / "a.exr", colours(np.float16) | {"A": plane()}))
    notes = write_image(tmp_path / "b.png", image)
    assert notes[0] == "PNG does not hold its attributes and further channels of OpenEXR, such as opacity, which was not kept"
    assert np.abs(read_image(tmp_path / "b.png").pixels / 65535 - image.pixels).max() < 1e-4


def test_it_is_written_of_nothing_else(tmp_path):
    with pytest.raises(OutputError, match="pictures that were OpenEXR"):
        write_image(tmp_path / "a.exr", Image(np.zeros((4, 4, 3), np.uint8)))


def test_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    (tmp_path / "a.exr").write_bytes(b"v/1\x01" + bytes(60))
    assert is_image(tmp_path / "a.exr")
    assert output_suffix(tmp_path / "a.exr") == ".exr"
    with pytest.raises(UnsupportedError, match=r"an OpenEXR file.*unblur\[exr\]"):
        read_image(tmp_path / "a.exr")


def test_no_colours(tmp_path, library):
    with pytest.raises(UnsupportedError, match="no channels R, G, B or Y"):
        read_image(written(library, tmp_path / "a.exr", {"Z": plane()}))


def test_broken_off(tmp_path, library):
    data = written(library, tmp_path / "a.exr", colours(np.float16)).read_bytes()
    for part in (len(data) // 2, 40):
        (tmp_path / "a.exr").write_bytes(data[:part])
        with pytest.raises(UnreadableError):
            read_image(tmp_path / "a.exr")

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unblur.errors import ShapeError
from unblur.pixels import (
    as_8_bit,
    as_16_bit,
    peak_value,
    rounded_to_8_bit,
    to_float,
    to_levels,
    to_pixels,
    to_rgb,
    to_tensor,
    unit_range,
)

INTEGERS = [np.uint8, np.uint16]


def all_levels(dtype) -> np.ndarray:
    """(16, n, 1), every level once."""
    return np.arange(np.iinfo(dtype).max + 1, dtype=np.int64).astype(dtype).reshape(16, -1, 1)


@pytest.mark.parametrize(("dtype", "peak"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1), (np.float64, 1)])
def test_white_is_the_largest_integer_or_1(dtype, peak):
    assert peak_value(dtype) == peak_value(np.dtype(dtype)) == peak


@pytest.mark.parametrize("dtype", INTEGERS)
def test_every_level_returns_from_floats(dtype):
    levels = all_levels(dtype)
    floats = to_float(levels)
    assert floats.dtype == np.float32
    assert (floats.min(), floats.max()) == (0, 1)
    back = to_levels(floats, dtype)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, levels)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_every_level_returns_from_a_tensor(dtype):
    levels = all_levels(dtype)
    back = to_pixels(to_tensor(levels)[0], dtype)
    assert back.dtype == dtype
    assert back.shape == (*levels.shape[:2], 3)  # grey in all channels
    np.testing.assert_array_equal(back, to_rgb(levels))


def test_every_level_of_8_bit_returns_from_16_bit():
    levels = all_levels(np.uint8)
    deep = as_16_bit(levels)
    assert deep.dtype == np.uint16
    assert (deep.min(), deep.max()) == (0, 65535)
    np.testing.assert_array_equal(to_float(deep), to_float(levels))
    np.testing.assert_array_equal(as_8_bit(deep), levels)


def test_floats_are_rounded_to_both_depths():
    values = np.array([[-0.1, 0, 0.5, 0.25, 1, 1.5]], np.float32)
    assert as_8_bit(values).tolist() == [[0, 0, 128, 64, 255, 255]]
    assert as_16_bit(values).tolist() == [[0, 0, 32768, 16384, 65535, 65535]]


def test_16_bit_is_rounded_to_the_nearest_level_of_8_bit():
    levels = all_levels(np.uint16)
    reduced = as_8_bit(levels)
    assert reduced.dtype == np.uint8
    assert np.abs(as_16_bit(reduced).astype(int) - levels).max() == 128  # 257 levels to each
    assert as_8_bit(np.array([128, 129, 385, 386, 65406, 65407], np.uint16)).tolist() == [0, 1, 1, 2, 254, 255]


def test_what_has_the_depth_already_is_given_back():
    picture, deep = np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3, 3), np.uint16)
    assert as_8_bit(picture) is picture
    assert as_16_bit(deep) is deep


@given(arrays(np.uint16, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=40)))
def test_any_shape_is_reduced(picture):
    np.testing.assert_array_equal(as_8_bit(picture), np.round(picture / 257).astype(np.uint8))


def test_large_pictures_are_reduced_in_parts_that_join():
    picture = np.random.default_rng(0).integers(0, 65536, (700, 1100, 3), np.uint16)  # above a block of 2^20 values
    np.testing.assert_array_equal(as_8_bit(picture), np.round(picture / 257))


def test_values_are_clamped_and_rounded_to_the_nearest():
    values = [-0.5, 0.499 / 255, 0.501 / 255, 1.5]
    tensor = torch.tensor([[values]])
    assert to_levels(np.array(values), np.uint8).tolist() == to_pixels(tensor, np.uint8).ravel().tolist() == [0, 0, 1, 255]
    assert (rounded_to_8_bit(tensor) * 255).flatten().tolist() == [0, 0, 1, 255]
    kept = [0, pytest.approx(0.499 / 255), pytest.approx(0.501 / 255), 1]
    assert to_levels(np.array(values), np.float32).tolist() == to_pixels(tensor, np.float32).ravel().tolist() == kept


@given(arrays(np.float32, (3, 5, 3), elements=st.floats(-1, 2, width=32)), st.sampled_from(INTEGERS))
def test_arrays_and_tensors_are_rounded_alike(picture, dtype):
    np.testing.assert_array_equal(to_levels(picture, dtype), to_pixels(torch.from_numpy(picture).permute(2, 0, 1), dtype))


@pytest.mark.parametrize("dtype", [*INTEGERS, np.float32])
@pytest.mark.parametrize("writeable", [True, False])
def test_a_tensor_has_the_values_of_its_picture(dtype, writeable):
    picture = to_levels(np.random.default_rng(0).random((4, 6, 3)), dtype)[:, ::-1]
    picture.flags.writeable = writeable
    tensor = to_tensor(picture)
    assert (tensor.shape, tensor.dtype) == ((1, 3, 4, 6), torch.float32)
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(tensor[0].permute(1, 2, 0).numpy(), to_float(picture))


def test_a_tensor_has_memory_of_its_own():
    picture = np.zeros((2, 3, 3), np.float32)
    tensor = to_tensor(picture)
    picture += 1
    assert not tensor.any()


def test_bytes_of_any_shape_lie_in_the_unit_range():
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(unit_range(levels), torch.from_numpy(to_float(levels.numpy())))
    double = unit_range(levels.view(2, 2, 8, 8), dtype=torch.float64)
    assert (double.dtype, double.shape) == (torch.float64, (2, 2, 8, 8))
    assert double.flatten().tolist() == [level / 255 for level in range(256)]
    floats = torch.rand(3, dtype=torch.float64)
    assert torch.equal(unit_range(floats), floats.float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_levels_of_8_bit_stay_where_they_are(dtype):
    levels = unit_range(torch.arange(256, dtype=torch.uint8), dtype=dtype)
    assert rounded_to_8_bit(levels).dtype == dtype
    assert torch.equal(rounded_to_8_bit(levels), levels)


def test_grey_is_repeated_and_opacity_left_out():
    picture = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(to_rgb(picture), picture[..., :3])
    for grey in (picture[..., 0], picture[..., :1], picture[..., :2]):
        np.testing.assert_array_equal(to_rgb(grey), picture[..., [0, 0, 0]])
    assert np.shares_memory(to_rgb(picture[..., :3]), picture)


@pytest.mark.parametrize("shape", [(4,), (4, 5, 0), (4, 5, 5), (1, 4, 5, 3)])
def test_other_shapes_are_no_pictures(shape):
    with pytest.raises(ShapeError, match="with 1 to 4 channels"):
        to_rgb(np.zeros(shape, np.uint8))

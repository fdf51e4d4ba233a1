from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nets import Folded

from unblur.restore.tiles import BAND, best_core, cut, layout, restore_tiled

NETS = {multiple: Folded(multiple).eval() for multiple in (1, 2, 8)}


def picture_of(height: int, width: int, channels: int, dtype: type, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    if dtype == np.float32:
        return random.random((height, width, channels), np.float32)
    return random.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)


def restorer(net):
    def restore(picture: np.ndarray) -> torch.Tensor:
        assert picture.shape[0] % net.size_multiple == picture.shape[1] % net.size_multiple == 0
        scale = {"uint8": 255, "uint16": 65535, "float32": 1}[picture.dtype.name]
        blurry = torch.from_numpy(picture.astype(np.float32) / scale).permute(2, 0, 1)[None].expand(1, 3, -1, -1)
        with torch.inference_mode():
            return net(blurry)[0]

    return restore


def in_tiles(picture: np.ndarray, net, *, core: int, halo: int) -> torch.Tensor:
    parts = list(restore_tiled(picture, restorer(net), core=(core, core), halo=halo, multiple=net.size_multiple))
    starts = np.cumsum([0, *(rows.shape[1] for _, rows in parts)])
    assert [first for first, _ in parts] == starts[:-1].tolist()  # every row once, from top to bottom
    assert starts[-1] == picture.shape[0]
    return torch.cat([rows for _, rows in parts], dim=1)


def as_a_whole(picture: np.ndarray, net) -> torch.Tensor:
    height, width = picture.shape[:2]
    pads = ((0, -height % net.size_multiple), (0, -width % net.size_multiple), (0, 0))
    return restorer(net)(np.pad(picture, pads, mode="reflect"))[:, :height, :width]


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(64, 1000), st.integers(64, 1000))
def test_cores_cover_the_picture_once_and_evenly(height, width, high, wide):
    grid = layout(height, width, core=(high, wide))
    for edges, size, core in (
        ([(row[0].top, row[0].bottom) for row in grid], height, high),
        ([(tile.left, tile.right) for tile in grid[0]], width, wide),
    ):
        assert edges[0][0] == 0
        assert edges[-1][1] == size
        assert all(before[1] == after[0] for before, after in pairwise(edges))
        sides = [end - start for start, end in edges]
        assert max(sides) <= core
        assert max(sides) - min(sides) <= 1
        assert len(edges) == -(-size // core)  # no more than needed
    assert all([(t.left, t.right) for t in row] == [(t.left, t.right) for t in grid[0]] for row in grid)


def tiles_of(height: int, width: int, core: tuple[int, int], halo: int) -> list[tuple[int, int]]:
    """Sides of all tiles with their halos."""
    return [
        (min(t.bottom + halo, height) - max(t.top - halo, 0), min(t.right + halo, width) - max(t.left - halo, 0))
        for row in layout(height, width, core=core)
        for t in row
    ]


@settings(deadline=None)
@given(st.integers(1, 900), st.integers(1, 900), st.integers(1, 400_000), st.integers(0, 150), st.integers(64, 1000))
def test_the_best_core_fits_and_nothing_fits_better(height, width, pixels, halo, largest):
    core = best_core(height, width, pixels=pixels, halo=halo, smallest=64, largest=largest)
    assert max(core) <= largest
    every = [
        tiles_of(height, width, (-(-height // rows), -(-width // columns)), halo)
        for rows in range(1, max(height // 64, -(-height // largest)) + 1)
        for columns in range(1, max(width // 64, -(-width // largest)) + 1)
        if max(-(-height // rows), -(-width // columns)) <= largest
    ]
    work = [sum(high * wide for high, wide in tiles) for tiles in every if max(h * w for h, w in tiles) <= pixels]
    found = tiles_of(height, width, core, halo)
    if max(tile[0] for tile in found) * max(tile[1] for tile in found) <= pixels:
        assert sum(high * wide for high, wide in found) == min(work)
    else:  # nothing does: the smallest
        assert all(min(2 * BAND, side) <= edge < 2 * 64 for edge, side in zip(core, (height, width), strict=True))


@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    channels=st.sampled_from([1, 3]),
    top=st.integers(-20, 20),
    left=st.integers(-20, 20),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
)
@example(rows=3, columns=1, channels=1, top=-3, left=0, height=1, width=1, dtype=np.uint8)  # all of it lies outside
def test_cut_mirrors_like_numpy(rows, columns, channels, top, left, height, width, dtype):
    picture = picture_of(rows, columns, channels, dtype)
    padded = np.pad(picture, ((60, 60), (60, 60), (0, 0)), mode="reflect")
    wanted = padded[60 + top : 60 + top + height, 60 + left : 60 + left + width]
    np.testing.assert_array_equal(cut(picture, top=top, left=left, height=height, width=width), wanted)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 210),
    width=st.integers(1, 210),
    core=st.integers(64, 120),
    multiple=st.sampled_from(sorted(NETS)),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
)
def test_tiles_give_what_the_whole_gives(height, width, core, multiple, channels, dtype):
    picture, net = picture_of(height, width, channels, dtype), NETS[multiple]
    tiled = in_tiles(picture, net, core=core, halo=net.receptive_radius + BAND)
    torch.testing.assert_close(tiled, as_a_whole(picture, net), rtol=0, atol=1e-6)  # sums in another order, no more


def test_one_tile_is_the_whole_bit_for_bit():
    picture, net = picture_of(61, 77, 3, np.uint8), NETS[8]
    assert torch.equal(in_tiles(picture, net, core=77, halo=40), as_a_whole(picture, net))


def test_a_halo_below_the_receptive_radius_shows():
    picture, net = picture_of(100, 200, 3, np.float32), NETS[8]
    halo = net.receptive_radius + BAND
    error = [float((in_tiles(picture, net, core=64, halo=h) - as_a_whole(picture, net)).abs().max()) for h in (halo, halo // 2)]
    assert error[0] < 1e-6 < 1e-4 < error[1]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(4 * BAND, 150), st.integers(0, 40))
def test_fades_sum_to_one(height, width, core, halo):
    picture = np.zeros((height, width, 1), np.uint8)
    parts = restore_tiled(picture, lambda piece: torch.ones(1, *piece.shape[:2]), core=(core, core), halo=halo, multiple=1)
    whole = torch.cat([rows for _, rows in parts], dim=1)
    torch.testing.assert_close(whole, torch.ones(1, height, width), rtol=0, atol=1e-6)


def test_tiles_that_disagree_fade_into_each_other():
    picture, levels = np.zeros((200, 200, 1), np.uint8), iter(range(100))
    restore = lambda piece: torch.full((1, *piece.shape[:2]), float(next(levels) % 2))  # noqa: E731
    whole = torch.cat([rows for _, rows in restore_tiled(picture, restore, core=(64, 64), halo=BAND, multiple=1)], dim=1)
    assert float(whole.min()) == pytest.approx(0)
    assert float(whole.max()) == pytest.approx(1)
    steepest = torch.pi / 2 / (2 * BAND)  # of the raised cosine
    for axis in (1, 2):
        assert whole.diff(dim=axis).abs().max() <= 1.01 * steepest


@settings(max_examples=30)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(64, 150),
    st.sampled_from((1, 2, 8)),
    st.sampled_from((1, 100, 320)),
    st.booleans(),
)
def test_sizes_that_a_network_requires_are_kept_and_change_nothing(height, width, core, multiple, minimum, square):
    """The whole picture is mirrored to what is required; a tile gives the same, whatever it has to be enlarged by."""
    net = Folded(multiple).eval()
    net.size_minimum, net.size_square = minimum, square
    sizes = []

    def restore(part):
        sizes.append(part.shape[:2])
        return restorer(net)(part)

    picture = picture_of(height, width, 3, np.float32)
    halo = net.receptive_radius + BAND
    whole = restorer(net)(cut(picture, top=0, left=0, height=net.fit_size(height, width)[0], width=net.fit_size(height, width)[1]))
    parts = restore_tiled(picture, restore, core=(core, core), halo=halo, multiple=multiple, fit=net.fit_size)
    tiled = torch.cat([rows for _, rows in parts], dim=1)
    torch.testing.assert_close(tiled, whole[:, :height, :width], rtol=0, atol=2e-6)
    assert all(net.fit_size(*size) == size for size in sizes)

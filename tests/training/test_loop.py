import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from unblur.data.window import PairWindow
from unblur.errors import InputError
from unblur.models import create
from unblur.training import loop
from unblur.training.loop import StillsMaker, batch_at, train
from unblur.training.recipe import StillsRecipe


def state_of(run: Path) -> dict:
    return torch.load(run / "state.pt", weights_only=True)


def same(one: object, other: object) -> bool:
    """Whether two states agree bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return one == other


def test_a_run_leaves_all_that_is_needed(run, recipe):
    state = state_of(run)
    fresh = create(recipe.model, **recipe.arguments).state_dict()
    assert state["step"] == recipe.steps
    assert state["net"].keys() == state["average"].keys() == fresh.keys()
    assert not same(state["net"], state["average"])
    assert all(tensor.isfinite().all() for tensor in state["net"].values())
    assert StillsRecipe.model_validate_json((run / "recipe.json").read_text()) == recipe
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in log] == [2, 4, 5]
    assert all(np.isfinite(list(record.values())).all() for record in log)
    assert not list(run.glob("*.partial"))


def test_a_run_that_was_killed_goes_on_to_the_same_weights(run, recipe, photos, tmp_path, monkeypatch):
    """Killed in the fourth step, one step after what was saved; that step is done again."""

    def killed(step, window, *, recipe):
        if step == 3:
            raise KeyboardInterrupt
        return batch_at(step, window, recipe=recipe)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "batch_at", killed)
        with pytest.raises(KeyboardInterrupt):
            list(train(recipe, photos=photos, out=tmp_path, save_every=2))
    assert state_of(tmp_path)["step"] == 2
    torch.rand(1)  # the global generator must not matter
    records = list(train(recipe, photos=photos, out=tmp_path, save_every=2))
    assert [record["step"] for record in records] == [4, 5]
    assert same(state_of(tmp_path), state_of(run))
    whole, resumed = ([json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()] for folder in (run, tmp_path))
    for key in ("loss", "motion", "gain"):
        assert [record[key] for record in whole] == [record[key] for record in resumed]


class Drawn:
    """A window that holds its pairs in memory and makes them at once."""

    def __init__(self, maker, *, capacity, start, fresh, **_rest):
        self.maker, self.range_of, self.waited = maker, (capacity, start, fresh), 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def range(self, step):
        capacity, start, fresh = self.range_of
        last = start + int(step * fresh)
        return max(0, last - capacity), last

    def pair(self, index):
        return self.maker(index)


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(loop, "PairWindow", Drawn)


@pytest.fixture(scope="module")
def plain(recipe, photos, tmp_path_factory) -> dict[str, torch.Tensor]:
    """Weights after two steps of the recipe as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "PairWindow", Drawn)
        return weights_after(recipe.model_copy(update={"steps": 2}), photos, tmp_path_factory.mktemp("plain"))


def weights_after(recipe: StillsRecipe, photos: list[Path], out: Path) -> dict[str, torch.Tensor]:
    assert list(train(recipe, photos=photos, out=out))
    return state_of(out)["net"]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 2},
        {"batch": 3},
        {"crop": 16},
        {"optimiser": "adamw"},
        {"lr": 2e-3},
        {"warmup": 0},
        {"decay": 1},
        {"weight_decay": 0.5},
        {"content": "charbonnier"},
        {"content_weight": 0.5},
        {"motion_weight": 0.0},
        {"told_until": 0},
        {"clip": 1e-3},
        {"precision": "fp32"},
        {"blur": {"length": [3.0, 9.0]}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_key_of_a_recipe_has_its_effect(recipe, photos, tmp_path, plain, changes):
    assert not same(weights_after(recipe.model_copy(update={"steps": 2} | changes), photos, tmp_path), plain)


@pytest.mark.usefixtures("at_once")
def test_the_average_follows_by_its_decay(recipe, photos, tmp_path):
    short = recipe.model_copy(update={"steps": 2})
    for ema in (0.0, 0.999):
        weights_after(short.model_copy(update={"ema": ema}), photos, tmp_path / str(ema))
    state = state_of(tmp_path / "0.0")
    assert same(state["net"], state["average"])
    assert not same(state_of(tmp_path / "0.999")["average"], state["average"])
    assert same(state_of(tmp_path / "0.999")["net"], state["net"])


@pytest.mark.usefixtures("at_once")
def test_a_finished_run_stays_as_it_is(recipe, photos, tmp_path):
    short = recipe.model_copy(update={"steps": 1})
    weights_after(short, photos, tmp_path)
    before = state_of(tmp_path)
    assert list(train(short, photos=photos, out=tmp_path)) == []
    assert same(state_of(tmp_path), before)
    assert [record["step"] for record in train(short.model_copy(update={"steps": 3}), photos=photos, out=tmp_path)] == [3]  # it may go on


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("changes", "words"), [({"seed": 9}, "seed"), ({"optimiser": "adamw", "arguments": {}}, "arguments and optimiser")]
)
def test_another_recipe_in_the_same_folder_is_refused(recipe, photos, tmp_path, changes, words):
    short = recipe.model_copy(update={"steps": 1})
    weights_after(short, photos, tmp_path)
    before = (tmp_path / "recipe.json").read_text()
    with pytest.raises(InputError, match=f"another {words}; choose another folder"):
        list(train(short.model_copy(update=changes), photos=photos, out=tmp_path))
    assert (tmp_path / "recipe.json").read_text() == before


@pytest.mark.usefixtures("at_once")
def test_a_gradient_that_is_not_finite_is_passed_over(recipe, photos, tmp_path, monkeypatch):
    monkeypatch.setitem(loop._CONTENT, "log_mse", lambda restored, _sharp: restored.sum() * torch.nan)
    short = recipe.model_copy(update={"steps": 2})
    torch.manual_seed(short.seed)
    fresh = create(short.model, **short.arguments).state_dict()
    assert same(weights_after(short, photos, tmp_path), fresh)


def test_nothing_to_train_on(recipe, tmp_path, photos):
    with pytest.raises(InputError, match="no photos"):
        list(train(recipe, photos=[], out=tmp_path))
    (tmp_path / "words.jpg").write_text("words")
    maker = StillsMaker((tmp_path / "words.jpg",), 0, 64, loop.StillsBlur())
    with pytest.raises(InputError, match=r"words\.jpg` is not a picture"):
        maker(0)
    assert StillsMaker(tuple(photos), 0, 64, loop.StillsBlur())(0)["sharp"].shape == (64, 64, 3)


def test_a_pair_is_a_function_of_seed_and_number(photos):
    def maker(seed):
        return StillsMaker(tuple(photos), seed, 64, loop.StillsBlur())

    one = maker(1)
    for name, (shape, dtype) in one.layout.items():
        pair = one(5)[name]
        assert pair.shape == shape
        assert np.abs(pair - pair.astype(dtype)).max() < 0.02  # what the window keeps of it
        np.testing.assert_array_equal(pair, maker(1)(5)[name])
        assert (pair != maker(2)(5)[name]).any()
        assert (pair != one(6)[name]).any()


# Crops


def window_of(pair: dict[str, np.ndarray], *, count: int = 9) -> PairWindow:
    return SimpleNamespace(range=lambda _step: (0, count), pair=lambda _index: pair)


def lined(recipe: StillsRecipe, *, diagonal: bool) -> dict[str, np.ndarray]:
    """A pair whose pictures change along the smear only: along a row, or along the diagonal that falls to the right."""
    rows, columns = np.mgrid[: recipe.pair_size, : recipe.pair_size]
    picture = np.repeat((columns + rows if diagonal else 2 * columns)[..., None], 3, axis=2).astype(np.uint8)
    spread = np.zeros((recipe.pair_size // 4, recipe.pair_size // 4, 3), np.float16)
    spread[..., 1 if diagonal else 0], spread[..., 2] = 5, 3
    return {"blurry": picture, "sharp": picture, "spread": spread}


@pytest.mark.parametrize("diagonal", [False, True])
def test_turning_a_crop_turns_its_smear(recipe, diagonal):
    window, seen = window_of(lined(recipe, diagonal=diagonal)), set()
    for step in range(12):
        blurry, sharp, spread = batch_at(step, window, recipe=recipe)
        assert torch.equal(blurry, sharp)
        for picture, smear in zip(blurry, spread, strict=True):
            down, right = (picture[0].diff(dim=axis).mean() for axis in (0, 1))
            sign = 1.0 if (down * right > 0 if diagonal else right.abs() > down.abs()) else -1.0
            first, second = (0.0, 5.0 * sign) if diagonal else (5.0 * sign, 0.0)
            wanted = torch.tensor([first, second, 3.0])[:, None, None].expand_as(smear)
            assert torch.equal(smear, wanted)
            seen.add(sign)
    assert seen == {-1.0, 1.0}


def test_crops_of_pictures_and_smear_belong_together(recipe):
    """Every square of 4x4 pixels carries the smear that was made for it."""
    quarter = recipe.pair_size // 4
    numbers = np.arange(quarter**2, dtype=np.float16).reshape(quarter, quarter) / 2
    picture = np.repeat(np.repeat(numbers, 4, 0), 4, 1).astype(np.uint8)
    pair = {name: np.stack([picture] * 3, axis=2) for name in ("blurry", "sharp")}
    pair["spread"] = np.stack([numbers * 0, numbers * 0, numbers], axis=2)
    for step in range(6):
        blurry, _, spread = batch_at(step, window_of(pair), recipe=recipe)
        assert torch.equal((255 * blurry[:, 0, ::4, ::4]).round(), spread[:, 2].floor())


def test_a_step_always_draws_the_same(recipe, photos):
    maker = StillsMaker(tuple(photos), 0, recipe.pair_size, loop.StillsBlur())
    window = SimpleNamespace(range=lambda step: (step, step + 4), pair=maker)
    first, again, later = (batch_at(step, window, recipe=recipe) for step in (3, 3, 4))
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first[0], later[0])
    assert not torch.equal(first[0], batch_at(3, window, recipe=recipe.model_copy(update={"seed": 5}))[0])
    assert first[0].shape == (recipe.batch, 3, recipe.crop, recipe.crop)
    assert first[2].shape == (recipe.batch, 3, recipe.crop // 4, recipe.crop // 4)
    assert first[0].is_contiguous(memory_format=torch.channels_last)
    assert 0 <= first[0].min() < first[0].max() <= 1


def test_the_rate_rises_stays_and_falls_to_zero(recipe):
    long = recipe.model_copy(update={"steps": 100, "warmup": 10, "decay": 20})
    rates = [loop._rate(step, long) for step in range(101)]
    assert rates[0] == 0.1
    assert rates[9:81] == [1.0] * 72
    assert rates[90] == 0.5
    assert rates[100] == 0


def test_fewer_and_fewer_crops_are_told_their_smear(recipe):
    long = recipe.model_copy(update={"batch": 1000, "told_until": 100})
    shares = [float(loop._told(step, long).float().mean()) for step in (0, 25, 50, 75, 100, 200)]
    assert shares == pytest.approx([1, 0.75, 0.5, 0.25, 0, 0], abs=0.06)
    assert shares[0] == 1
    assert shares[4:] == [0, 0]

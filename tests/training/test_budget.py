import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unblur.errors import InputError
from unblur.training import budget
from unblur.training.budget import Budget, fit, read_budget, seconds_a_step, train_within
from unblur.training.loop import train
from unblur.training.optimisers import rate
from unblur.training.recipe import read_recipe

LONG = read_recipe("astcn/dvd").model_copy(update={"warmup": 8500, "decay": 85000})


@given(st.integers(1, 20))
def test_a_schedule_is_drawn_together_in_proportion(divisor):
    """The rate after a share of the steps is that of the long schedule after the same share."""
    short = fit(LONG, steps=LONG.steps // (divisor * 50))
    assert (short.warmup, short.decay) == (170 // divisor, 1700 // divisor) or divisor > 1
    for tenths in range(10):
        wanted = rate(LONG.steps * tenths // 10, recipe=LONG)
        found = rate(short.steps * tenths // 10, recipe=short)
        assert found == pytest.approx(wanted, rel=0.2) or tenths == 0
    assert short.model_copy(update={key: getattr(LONG, key) for key in ("steps", "warmup", "milestones", "decay")}) == LONG


def test_there_is_no_training_of_no_step():
    with pytest.raises(InputError, match="at least one step"):
        fit(LONG, steps=0)


@pytest.mark.parametrize(
    ("seconds", "later", "step"),
    [
        (0, [], 0.5),
        (88, [], 0.5),
        (90.5, [99.25, 99.5, 99.75, 100.0, 100.25, 100.5], 0.375),
    ],  # what comes at first may be what else the machine does
)
def test_the_median_step_counts_and_the_first_does_not(recipe, monkeypatch, seconds, later, step):
    ticks = iter([10.0, 15.0, 15.5, 16.0, 16.5, 17.0, 99.0, *later])
    monkeypatch.setattr(budget, "_clock", lambda **_: lambda: next(ticks))
    asked = []

    def pretend(recipe, **_rest):
        asked.append(recipe)
        yield from [{}] * recipe.steps

    monkeypatch.setattr(budget, "train", pretend)
    assert seconds_a_step(recipe, seconds=seconds) == step
    assert not list(ticks)
    assert (asked[0].log_every, asked[0].validate_every) == (1, 0)


def test_a_step_takes_time_and_leaves_nothing(recipe, photos, tmp_path):
    assert 0 < seconds_a_step(recipe, photos=photos, pool=tmp_path / "pool", cpu=True) < 60
    assert [path.name for path in tmp_path.iterdir()] == ["pool"]


def test_minutes_become_steps_once(recipe, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "seconds_a_step", lambda *_, **__: 0.7)
    progress = []
    found = train_within(recipe, out=tmp_path, minutes=0.05, photos=photos, cpu=True, progress=lambda *each: progress.append(each))
    assert (found.steps, found.minutes, found.seconds_a_step) == (4, 0.05, 0.7)
    assert progress == [(2, 4), (4, 4)]
    assert found.seconds > 0
    assert read_budget(tmp_path) == found
    monkeypatch.setattr(budget, "seconds_a_step", lambda *_, **__: pytest.fail("was measured before"))
    state = (tmp_path / "state.pt").read_bytes()
    assert train_within(recipe, out=tmp_path, minutes=0.05, photos=photos, cpu=True) == found
    assert (tmp_path / "state.pt").read_bytes() == state
    with pytest.raises(InputError, match=r"begun with a budget of 0\.05 minutes"):
        train_within(recipe, out=tmp_path, steps=4, photos=photos, cpu=True)
    with pytest.raises(InputError, match="another recipe: `lr`"):
        train_within(recipe.model_copy(update={"lr": 0.5}), out=tmp_path, minutes=0.05, photos=photos, cpu=True)


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(recipe, photos, tmp_path):
    class StoppedError(Exception):
        pass

    def stop(step, _steps):
        if step == 2:
            raise StoppedError

    for name in ("whole", "stopped"):
        if name == "stopped":
            with pytest.raises(StoppedError):
                train_within(recipe, out=tmp_path / name, steps=5, photos=photos, cpu=True, progress=stop)
            assert read_budget(tmp_path / name).seconds > 0
        assert train_within(recipe, out=tmp_path / name, steps=5, photos=photos, cpu=True).steps == 5
    whole, stopped = (torch.load(tmp_path / name / "state.pt", weights_only=True)["average"] for name in ("whole", "stopped"))
    assert all(torch.equal(whole[key], stopped[key]) for key in whole)


def test_without_a_budget_the_recipe_says_the_steps(recipe, photos, tmp_path):
    assert train_within(recipe, out=tmp_path, photos=photos, cpu=True).steps == recipe.steps
    with pytest.raises(InputError, match="budget of 5 steps"):
        train_within(recipe, out=tmp_path, steps=3, photos=photos)


def test_two_budgets_and_a_damaged_one_are_errors(recipe, tmp_path):
    with pytest.raises(InputError, match="not both"):
        train_within(recipe, out=tmp_path, steps=3, minutes=1.0)
    assert read_budget(tmp_path) is None
    (tmp_path / "budget.json").write_text('{"stepps": 3}')
    with pytest.raises(InputError, match="is damaged"):
        read_budget(tmp_path)
    (tmp_path / "budget.json").write_text(json.dumps({"steps": 3}))
    assert read_budget(tmp_path) == Budget(3)


def test_trainings_may_share_their_samples(recipe, change, photos, tmp_path):
    """The second finds the samples of the first, and trains to the same weights."""
    fixed = change(recipe, steps=2, new_pairs=0.0, pool_start=2)
    held = tmp_path / "pool" / "held.raw"
    found = []
    for name in ("one", "other"):
        if name == "other":
            before = held.read_bytes()
        assert list(train(fixed, out=tmp_path / name, photos=photos, pool=tmp_path / "pool"))
        assert not (tmp_path / name / "pool").exists()
        found.append(torch.load(tmp_path / name / "state.pt", weights_only=True)["net"])
    assert np.frombuffer(before, np.int64)[:2].tolist() == [0, 1]
    assert held.read_bytes()[:16] == before[:16]
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])

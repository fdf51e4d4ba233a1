import copy

import pytest
import torch

from unblur.errors import InputError
from unblur.training.batch import Batch
from unblur.training.realistic_blur import RealisticBlur
from unblur.training.recipe import Recipe, read_recipe

SMALL = {"objective.adversary_arguments": {"width": 4}, "objective.blurrer_arguments": {"width": 4, "num_blocks": 1}}


def blurrer(**changes) -> RealisticBlur:
    torch.manual_seed(0)
    recipe: Recipe = read_recipe("dbgan/gopro", changes=SMALL | {f"objective.{key}": value for key, value in changes.items()})
    return RealisticBlur(recipe, device=torch.device("cpu"), mean=lambda tensor: tensor)


def batch() -> Batch:
    sharp = torch.rand(4, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    blurry = torch.nn.functional.avg_pool2d(sharp[:, 0], 5, stride=1, padding=2)
    return Batch(blurry, sharp, None, None, None, torch.arange(4))


def parameters(module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def blur(made: RealisticBlur, given: Batch, *, step: int = 0, part: int = 0) -> Batch:
    return made.blur(given, step=step, part=part, share=1.0)[0]


def test_the_share_of_blurred_pictures_is_that_of_the_recipe():
    given = batch()
    none, some, all_of_them = (blur(blurrer(blurred_share=share), given) for share in (0.0, 0.5, 1.0))
    assert torch.equal(none.blurry, given.blurry)
    kept = [bool(torch.equal(one, other)) for one, other in zip(some.blurry, given.blurry, strict=True)]
    assert 0 < sum(kept) < 4
    assert not any(torch.equal(one, other) for one, other in zip(all_of_them.blurry, given.blurry, strict=True))
    for made in (none, some, all_of_them):
        assert torch.equal(made.sharp, given.sharp)
        assert not made.blurry.requires_grad
        assert 0 <= made.blurry.min() <= made.blurry.max() <= 1


def test_both_players_learn_and_the_numbers_are_logged():
    made = blurrer()
    before = parameters(made.net), parameters(made.adversary.net)
    _, shown = made.blur(batch(), step=0, part=0, share=1.0)
    assert sorted(shown) == ["blurrer", "blurrer_adversary"]
    assert all(value.isfinite() and not value.requires_grad for value in shown.values())
    assert not torch.equal(parameters(made.net), before[0])
    assert not torch.equal(parameters(made.adversary.net), before[1])


def test_real_blurry_pictures_are_of_other_scenes(monkeypatch):
    made, given, seen = blurrer(), batch(), []
    monkeypatch.setattr(made.adversary, "learn", lambda blurred, real, **_: seen.append((blurred, real)) or torch.zeros(()))
    blur(made, given)
    ((blurred, real),) = seen
    assert blurred.shape == given.truth.shape
    assert torch.equal(real[1:], given.blurry[:-1])
    assert torch.equal(real[0], given.blurry[-1])


def test_the_content_weight_keeps_the_picture():
    errors = []
    for weight in (0.0, 100.0):
        made, given = blurrer(blurred_share=1.0, blurrer_content_weight=weight, blurrer_lr=1e-3), batch()
        for step in range(30):
            made.blur(given, step=step, part=0, share=1.0)
        errors.append(float((blur(made, given, step=30).blurry - given.truth).abs().mean()))
    assert errors[1] < 0.5 * errors[0]


def test_its_state_says_all():
    made, given = blurrer(), batch()
    blur(made, given)
    other = blurrer()
    other.load_state_dict(copy.deepcopy(made.state_dict()))
    for each in (made, other):
        blur(each, given, step=1)
    assert torch.equal(parameters(made.net), parameters(other.net))
    assert torch.equal(parameters(made.adversary.net), parameters(other.adversary.net))
    assert not torch.equal(blur(copy.deepcopy(made), given, step=2).blurry, blur(copy.deepcopy(made), given, step=3).blurry)


def test_clips_are_refused():
    clips = {"data": {"kind": "clips", "layout": "gopro", "choice": {"split": "train", "blur": "blur"}, "frames": 3}}
    with pytest.raises(InputError, match="blurs single pictures"):
        read_recipe("dbgan/gopro", changes=clips)

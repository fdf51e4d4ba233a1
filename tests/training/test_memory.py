import pytest
import torch

from unblur.errors import InputError
from unblur.models.base import Net
from unblur.training import memory
from unblur.training.memory import check_memory, saved_bytes

EXACT = torch.autocast("cpu", enabled=False)


class Squares(Net):
    """A convolution and a square: the square keeps its input, the convolution its own, of 3 channels each."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 1)

    size_multiple = 4

    def forward(self, x):
        return self.conv(x).square()


def test_tensors_for_the_backward_pass_by_hand():
    net = Squares()
    picture = 3 * 64 * 64 * 4  # bytes
    assert saved_bytes(net, crop=64, frames=None, autocast=EXACT) == 2 * picture
    assert saved_bytes(net, crop=512, frames=None, autocast=EXACT) == 64 * 2 * picture  # measured on a smaller one
    assert net.training


def test_what_is_not_trained_needs_nothing():
    net = Squares().requires_grad_(requires_grad=False)
    assert saved_bytes(net, crop=64, frames=None, autocast=EXACT) == 0


@pytest.mark.parametrize(("batch", "words"), [(2, None), (8, r"`--set accumulate=4`"), (3, "`--set accumulate=3`")])
def test_a_batch_that_cannot_fit_is_refused(recipe, monkeypatch, batch, words):
    net, picture = Squares(), 3 * recipe.crop**2 * 4
    monkeypatch.setattr(memory, "free_bytes", lambda _: 2 * 2 * picture + 12 * 12 + 1)  # two crops, and twelve parameters
    whole = recipe.model_copy(update={"batch": batch, "accumulate": 1})

    def check():
        check_memory(net, recipe=whole, processes=1, device=torch.device("cpu"), autocast=EXACT)

    if words is None:
        check()
    else:
        with pytest.raises(InputError, match=f"a step needs at least .* for {batch} crop.*{words}"):
            check()


def test_where_no_part_fits_smaller_crops_are_advised(recipe, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda _: 1000)
    with pytest.raises(InputError, match="choose a smaller `batch` or `crop`"):
        check_memory(Squares(), recipe=recipe, processes=1, device=torch.device("cpu"), autocast=EXACT)


def test_a_training_says_it_before_pairs_are_made(recipe, photos, tmp_path, monkeypatch):
    from unblur.training.loop import train

    monkeypatch.setattr(memory, "free_bytes", lambda _: 1000)
    with pytest.raises(InputError, match="a step needs at least"):
        list(train(recipe, photos=photos, out=tmp_path))
    assert not (tmp_path / "pool").exists()

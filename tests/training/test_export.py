import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import unblur
from unblur.errors import InputError, OutputError, WeightsError
from unblur.training.export import export_weights
from unblur.weights import card_of, load_tensors, sha256_of

WORDS = {"summary": "tiny", "training_data": "two drawings", "licence": "Apache-2.0"}
PICTURE = np.random.default_rng(0).integers(0, 256, (33, 21, 3), np.uint8)


def test_exported_weights_can_be_loaded(run, tmp_path):
    target = tmp_path / "tiny.safetensors"
    card = export_weights(run, target, **WORDS)
    assert card_of(target) == card
    assert (card.name, card.kind, card.architecture, card.size_multiple) == ("tiny", "photo", "swift", 8)
    assert (card.summary, card.training_data, card.licence) == tuple(WORDS.values())
    assert "5 of 5 steps" in card.recipe
    assert card.sha256 == sha256_of(target)
    average = torch.load(run / "state.pt", weights_only=True)["average"]
    torch.testing.assert_close(load_tensors(target), {name: tensor.half().float() for name, tensor in average.items()}, rtol=0, atol=0)
    assert unblur.load(target, device="cpu", precision="fp32").photo(PICTURE).shape == PICTURE.shape


def test_a_run_is_taken_for_weights(run):
    deblurrer = unblur.load(run, device="cpu", precision="fp32")
    assert deblurrer.card.kind == "photo"
    assert "a run of 5 of 5 steps" in deblurrer.card.summary
    average = torch.load(run / "state.pt", weights_only=True)["average"]
    torch.testing.assert_close(load_tensors(run), average, rtol=0, atol=0)
    assert deblurrer.photo(PICTURE).shape == PICTURE.shape


def test_a_run_of_the_first_version_can_still_be_exported(run, tmp_path):
    """It had fewer keys in its recipe, and only step, net, average and optimisers in its state."""
    state = torch.load(run / "state.pt", weights_only=True)
    old = tmp_path / "old"
    old.mkdir()
    torch.save({key: state[key] for key in ("step", "net", "average", "optimisers")}, old / "state.pt")
    recipe = json.loads((run / "recipe.json").read_text())
    (old / "recipe.json").write_text(
        json.dumps({key: recipe[key] for key in ("model", "arguments", "seed", "steps")} | {"content": "log_mse"})
    )
    assert "log_mse" in export_weights(old, tmp_path / "old.safetensors", **WORDS).recipe
    torch.testing.assert_close(load_tensors(old), state["average"], rtol=0, atol=0)


def test_a_damaged_run_is_said_to_be(run, tmp_path):
    for name, content in (("state.pt", b"broken"), ("recipe.json", b"{}")):
        folder = tmp_path / name
        shutil.copytree(run, folder, ignore=shutil.ignore_patterns("pool"))
        (folder / name).write_bytes(content)
        with pytest.raises(WeightsError, match=r"damaged|another version"):
            load_tensors(folder)


def test_an_export_is_both_files_or_none(run, tmp_path):
    target, card = tmp_path / "a.safetensors", tmp_path / "a.json"
    for present in (card, target):
        present.write_text("precious")
        with pytest.raises(OutputError, match=f"{present.name}` exists"):
            export_weights(run, target, **WORDS)
        assert [path.name for path in tmp_path.iterdir()] == [present.name]
        assert present.read_text() == "precious"
        export_weights(run, target, **WORDS, overwrite=True)
        assert load_tensors(target)
        target.unlink()
        card.unlink()


def test_what_cannot_be_exported(run, tmp_path):
    with pytest.raises(OutputError, match=r"\.safetensors`, not `a\.pth"):
        export_weights(run, tmp_path / "a.pth", **WORDS)
    with pytest.raises(InputError, match="not the folder of a run"):
        export_weights(tmp_path, tmp_path / "a.safetensors", **WORDS)
    assert export_weights(run, tmp_path / "a.safetensors", kind="video", **WORDS).kind == "video"


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_export_between_a_run_and_other_weights(run, tmp_path, share):
    begun = tmp_path / "begun.safetensors"
    export_weights(run, begun, **WORDS)
    tensors = {name: tensor + 1 for name, tensor in load_tensors(begun).items()}
    save_file(tensors, begun)
    card = card_of(begun).model_copy(update={"sha256": sha256_of(begun)})
    begun.with_suffix(".json").write_text(card.model_dump_json())
    mixed = tmp_path / "mixed.safetensors"
    assert f"{share:g} of `begun`" in export_weights(run, mixed, **WORDS, other=begun, other_weight=share).recipe
    expected = {name: tensor - 1 + share for name, tensor in tensors.items()}
    torch.testing.assert_close(load_tensors(mixed), expected, rtol=1e-3, atol=1e-3)


def test_nothing_lies_between_different_networks(run, tmp_path):
    with pytest.raises(InputError, match="another network"):
        export_weights(run, tmp_path / "mixed.safetensors", **WORDS, other="swift_best")
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        export_weights(run, tmp_path / "mixed.safetensors", **WORDS, other=run, other_weight=1.5)

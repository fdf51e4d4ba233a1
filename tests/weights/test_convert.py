"""Published checkpoints become weights: the same tensors under our names, and nothing in them is run."""

import os
import pickle
import re
from pathlib import Path

import pytest
import torch
from graphs import SMALL_MAXIM, published_maxim, write_graph_model, write_maxim

import unblur
from unblur.app import cli
from unblur.errors import InputError, OutputError, WeightsError
from unblur.models.dmphn import DMPHN, LAYERS
from unblur.models.maxim import rename_published_keys
from unblur.models.pwcnet import NUMERALS, PWCNet
from unblur.weights import card_of, load_tensors
from unblur.weights.convert import convert_weights, layouts


def publish_dmphn(net, folder):
    """Write the weights of `net` as the authors do: one file for each encoder and decoder."""
    folder.mkdir()
    files = {}
    for name, tensor in net.state_dict().items():
        _, stack, part, level, _, place = name.split(".", 5)
        stage, _, rest = place.rpartition(".conv")
        number = {places: key for key, places in LAYERS[part[:-1]].items()}[stage or ".".join(place.split(".")[:2])]
        tail = {"1": ".0", "2": ".2"}[rest[0]] if stage else ""
        file = f"{part[:-1]}_lv{int(level) + 1}"
        files.setdefault(file, {})[f"layer{number}{tail}.{place.rpartition('.')[2]}"] = tensor
        assert stack == "0"
    for file, tensors in files.items():
        torch.save(tensors, folder / f"{file}.pkl", _use_new_zipfile_serialization=False)
    return folder


def publish_pwcnet(net, path):
    """Write the weights of `net` with the names of sniklaus/pytorch-pwc, wrapped as a training program would."""
    published = {}
    for name, tensor in net.state_dict().items():
        place, rest = name.split(".", 2)[:2], name.split(".", 2)[2:]
        if place[0] == "pyramid":
            theirs = f"netExtractor.net{NUMERALS[int(place[1])]}.{rest[0]}"
        elif place[0] == "context":
            theirs = f"netRefiner.netMain.{place[1]}.{rest[0]}"
        else:
            part, _, kind = rest[0].rpartition(".")
            theirs = {"up_flow": "netUpflow", "up_feat": "netUpfeat", "predict": "netSix.0"}.get(part)
            theirs = theirs or f"net{NUMERALS[int(part.removeprefix('dense.'))]}.0"
            theirs = f"net{NUMERALS[int(place[1]) + 1]}.{theirs}.{kind}"
        published[theirs] = tensor.flip(1) if name == "pyramid.0.0.weight" else tensor
    torch.save({"state_dict": published}, path)
    return path


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_dmphn_goes_round(tmp_path):
    torch.manual_seed(0)
    net = DMPHN(num_levels=2).eval()
    target = tmp_path / "ported.safetensors"
    card = convert_weights(
        publish_dmphn(net, tmp_path / "published"), target, network="dmphn", licence="none stated", training_data="GoPro"
    )
    assert card == card_of(target)
    assert (card.arguments, card.kind, card.origin) == ({"num_levels": 2, "num_stacks": 1}, "photo", "ported")
    assert (card.licence, card.training_data, card.size_multiple) == ("none stated", "GoPro", net.size_multiple)
    loaded = unblur.load(target, device="cpu", precision="fp32").net
    for (name, one), other in zip(net.named_parameters(), loaded.parameters(), strict=True):
        assert torch.equal(one, other), name


def test_pwcnet_goes_round(tmp_path):
    torch.manual_seed(0)
    net = PWCNet()
    target = tmp_path / "flow.safetensors"
    card = convert_weights(publish_pwcnet(net, tmp_path / "published.pth"), target, network="pwcnet")
    assert (card.arguments, card.kind) == ({"convs_per_level": 3}, "flow")
    state, written = net.state_dict(), load_tensors(target)
    assert state.keys() == written.keys()
    assert all(torch.equal(state[name], written[name]) for name in state)


@pytest.mark.parametrize(("num_stages", "stages", "place"), [(None, 2, "models"), (1, 1, "package/models"), (2, 2, ".")])
def test_maxim_is_read_from_its_package(num_stages, stages, place, tmp_path):
    write_maxim(tmp_path / "published" / place)
    target = tmp_path / "maxim.safetensors"
    card = convert_weights(tmp_path / "published", target, network="maxim", num_stages=num_stages, licence="Apache-2.0")
    assert card == card_of(target)
    assert (card.arguments, card.kind, card.origin) == (SMALL_MAXIM | {"num_stages": stages}, "photo", "ported")
    assert (card.size_multiple, card.licence) == (64, "Apache-2.0")
    assert card.recipe.endswith("--network maxim" if num_stages is None else f"--network maxim --num-stages {num_stages}")
    written, wanted = load_tensors(target), rename_published_keys(published_maxim(), num_stages=stages)
    assert written.keys() == wanted.keys()
    assert all(torch.equal(written[name], tensor) for name, tensor in wanted.items())


@pytest.mark.parametrize(
    ("without", "num_stages", "message"),
    [
        ("stage_0_encoder_block_1", None, "does not hold all of a `maxim`"),
        ("stage_0_input_conv_0", None, "does not hold all of a `maxim`"),
        ("UpSampleRatio_0", 1, "does not hold all of a `maxim`"),
        ("stage_0", None, "does not hold all of a `maxim`"),
        (None, 3, "have 2 stages"),
    ],
)
def test_a_maxim_that_is_not_whole_is_refused(without, num_stages, message, tmp_path):
    published = write_maxim(tmp_path / "published", without=without)
    with pytest.raises(WeightsError, match=message):
        convert_weights(published, tmp_path / "out.safetensors", network="maxim", num_stages=num_stages)
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


def test_other_graphs_are_no_maxim(tmp_path):
    published = write_graph_model(tmp_path / "published", {"dense/einsum/Einsum": torch.eye(3)})
    with pytest.raises(WeightsError, match="MAXIM"):
        convert_weights(published, tmp_path / "out.safetensors", network="maxim")


def test_a_hostile_pickle_is_refused_and_not_run(tmp_path):
    trap = tmp_path / "trap"
    source = tmp_path / "published.pth"
    source.write_bytes(pickle.dumps({"conv1a.0.weight": Hostile(trap)}))
    torch.save({"conv1a.0.weight": Hostile(trap)}, tmp_path / "zipped.pth")
    for path in (source, tmp_path / "zipped.pth"):
        with pytest.raises(WeightsError, match="more than tensors"):
            convert_weights(path, tmp_path / "out.safetensors", network="pwcnet")
    assert not trap.exists()
    assert not (tmp_path / "out.safetensors").exists()
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"fnet.conv1.weight": torch.zeros(1)}, "no name of a published PWC-Net"),
        ({"conv1a.0.weight": torch.zeros(16, 3, 3, 3)}, "does not hold all of a `pwcnet`"),
        ([torch.zeros(1)], "holds no state dict"),
        ({}, "holds no state dict"),
        ({"epoch": 3}, "holds no state dict"),
    ],
)
def test_other_checkpoints_are_refused(content, message, tmp_path):
    torch.save(content, tmp_path / "published.pth")
    with pytest.raises(WeightsError, match=message):
        convert_weights(tmp_path / "published.pth", tmp_path / "out.safetensors", network="pwcnet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["published.pth"]


def test_missing_and_broken_files_are_told(tmp_path):
    target = tmp_path / "out.safetensors"
    with pytest.raises(WeightsError, match="no file"):
        convert_weights(tmp_path / "none.pth", target, network="pwcnet")
    for content in (b"", b"PK\x03\x04 broken off", b"\x80\x02."):
        (tmp_path / "broken.pth").write_bytes(content)
        with pytest.raises(WeightsError, match=re.escape("broken.pth")):
            convert_weights(tmp_path / "broken.pth", target, network="pwcnet")
    with pytest.raises(WeightsError, match="encoder_lv1"):
        convert_weights(tmp_path, target, network="dmphn")


def test_wishes_that_cannot_be_met(tmp_path):
    with pytest.raises(InputError, match=", ".join(layouts())):
        convert_weights(tmp_path, tmp_path / "out.safetensors", network="srn")
    with pytest.raises(InputError, match="safetensors"):
        convert_weights(tmp_path, tmp_path / "out.pth", network="dmphn")
    published = publish_dmphn(DMPHN(num_levels=1), tmp_path / "published")
    with pytest.raises(InputError, match="of `maxim` alone, not of `dmphn`"):
        convert_weights(published, tmp_path / "out.safetensors", network="dmphn", num_stages=1)
    with pytest.raises(InputError, match="at least one stage"):
        convert_weights(published, tmp_path / "out.safetensors", network="maxim", num_stages=0)
    (tmp_path / "out.json").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        convert_weights(published, tmp_path / "out.safetensors", network="dmphn")
    assert (tmp_path / "out.json").read_text() == "mine"
    convert_weights(published, tmp_path / "out.safetensors", network="dmphn", overwrite=True)
    assert card_of(tmp_path / "out.safetensors").licence == "not stated"


def test_the_command(tmp_path, monkeypatch, capsys):
    source = publish_dmphn(DMPHN(num_levels=1), tmp_path / "published")
    target = Path(tmp_path / "out.safetensors")
    monkeypatch.setattr("sys.argv", ["unblur", "convert-weights", str(source), "--network", "dmphn", "-o", str(target), "--licence", "MIT"])
    with pytest.raises(SystemExit):
        cli.main()
        raise SystemExit
    assert "done" in capsys.readouterr().err
    assert card_of(target).licence == "MIT"

"""A network that is not part of the package, through all commands: those of its how-to page, and what is refused."""

import json
import re
import shlex
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from clips import Clip
from typer.testing import CliRunner

import unblur
from unblur.app.cli import app
from unblur.errors import InputError, WeightsError
from unblur.training.export import export_weights
from unblur.training.initial import initial_network
from unblur.training.loop import train
from unblur.training.recipe import read_recipe
from unblur.weights import allowed_architecture, card_of

PAGE = Path(__file__).parents[2] / "docs/how-to/add-a-network.md"
TINY = {
    "batch": 2,
    "crop": 16,
    "steps": 2,
    "decay": 2,
    "precision": "fp32",
    "workers": 0,
    "validate_pictures": 1,
    "validate_every": 2,
    "tensorboard": False,
}
NETWORK = "my_network:Small"


def block(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return str(text)


def forget() -> None:
    sys.modules.pop("my_network", None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Module, recipe, a photo and a GoPro of two frames in the working folder; the module is on the path, and not imported yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("my_network.py").write_text(block("python"))
    Path("mine.yaml").write_text(block("yaml"))
    generator = np.random.default_rng(0)
    sharp = cv2.resize(generator.integers(20, 236, (8, 10, 3), np.uint8), (80, 64), interpolation=cv2.INTER_NEAREST)
    cv2.imwrite("shaky.png", cv2.blur(sharp, (5, 1)))
    for part in ("train/GOPR0001", "test/GOPR0002"):
        for kind, picture in (("blur_gamma", cv2.blur(sharp, (5, 1))), ("sharp", sharp)):
            Path("GOPRO", part, kind).mkdir(parents=True)
            for number in range(2):
                cv2.imwrite(f"GOPRO/{part}/{kind}/{number:06d}.png", np.roll(picture, number, axis=1))
    forget()
    yield tmp_path
    forget()


@pytest.fixture
def run_folder(folder):
    """A run of the network, which was forgotten again."""
    recipe = read_recipe("mine.yaml", changes=TINY)
    assert list(train(recipe, out=folder / "run", data=[folder / "GOPRO"], cpu=True))
    forget()
    return folder / "run"


def exported(run_folder: Path) -> Path:
    target = run_folder.parent / "weights.safetensors"
    export_weights(run_folder, target, summary="", training_data="", licence="none")
    return target


@pytest.mark.usefixtures("folder")
def test_every_command_of_the_page_works():
    found = [shlex.split(line)[1:] for line in re.findall(r"^    (unblur .*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)]
    assert [words[0] for words in found] == ["train", "export-weights", "restore", "bench"]
    for words in found:
        if words[0] == "train":
            words += ["--cpu", *(word for key, value in TINY.items() for word in ("--set", f"{key}={json.dumps(value)}"))]
        forget()
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, (words, result.output, result.exception)
        if words[0] == "train":
            assert f"`--model runs/mine --network {NETWORK}`" in result.output
    assert cv2.imread("restored.png").shape == cv2.imread("shaky.png").shape
    card = card_of("mine.safetensors")
    assert (card.architecture, card.arguments, card.kind, card.size_multiple) == (NETWORK, {"width": 16}, "photo", 1)


def test_weights_restore_as_the_network_does(run_folder):
    state = torch.load(run_folder / "state.pt", weights_only=True)
    for name in ("layers.4.weight", "layers.4.bias"):
        state["average"][name] /= 10  # untrained, it changes colours so much that the fail-safe would keep the input
    torch.save(state, run_folder / "state.pt")
    target = exported(run_folder)
    blurry = np.broadcast_to(np.linspace(0.3, 0.7, 20, dtype=np.float32)[:, None], (12, 20, 3)).copy()
    for model in (target, run_folder):
        deblurrer = unblur.load(model, network=NETWORK, device="cpu", precision="fp32")
        assert type(deblurrer.net).__module__ == "my_network"
        with torch.no_grad():
            wanted = deblurrer.net(torch.from_numpy(blurry).permute(2, 0, 1)[None])[0].permute(1, 2, 0).clamp(0, 1)
        np.testing.assert_allclose(deblurrer.photo(blurry), wanted, rtol=0, atol=1e-5)
        assert not np.allclose(wanted, blurry, atol=1e-3)
    assert unblur.restore(blurry, model=target, network=NETWORK, device="cpu").picture.shape == blurry.shape


def test_weights_alone_import_nothing(run_folder):
    for model in (exported(run_folder), run_folder):
        assert card_of(model).architecture == NETWORK
        with pytest.raises(WeightsError, match=f"not part of unblur.*add `--network {NETWORK}`"):
            unblur.load(model, device="cpu")
        result = CliRunner().invoke(
            app, ["bench", "--model", str(model), "--data", "gopro/test/blur_gamma:GOPRO", "--protocol", "gopro-skimage", "-o", "b"]
        )
        assert isinstance(result.exception, WeightsError)
        with pytest.raises(WeightsError, match="not part of unblur"):
            allowed_architecture(card_of(model), networks=["my_network:Other"])
        with pytest.raises(WeightsError, match="not of `my_network:Other`"):
            unblur.load(model, network="my_network:Other", device="cpu")
    assert "my_network" not in sys.modules


def test_a_clip_is_inspected_with_it(run_folder):
    target = exported(run_folder)
    Clip().make(Path("clip.mp4"))
    words = ["inspect", "clip.mp4", "--frame", "1", "-o", "seen", "--model", str(target)]
    refused = CliRunner().invoke(app, words)
    assert isinstance(refused.exception, WeightsError)
    assert f"add `--network {NETWORK}`" in str(refused.exception)
    result = CliRunner().invoke(app, [*words, "--network", NETWORK])
    assert result.exit_code == 0, (result.output, result.exception)
    assert Path("seen/before-after.png").is_file()


def test_the_named_network_is_for_weights_of_ones_own(folder):
    with pytest.raises(WeightsError, match="are of the network `swift`, not of"):
        unblur.load("swift", network=NETWORK, device="cpu")
    for arguments in ({}, {"weights": "a.pth"}):
        with pytest.raises(InputError, match="`network` says of which network"):
            unblur.load(**arguments, network=NETWORK, device="cpu")
    assert not (folder / "runs").exists()
    assert "my_network" not in sys.modules


def test_a_damaged_run_of_it_says_so(run_folder):
    state = torch.load(run_folder / "state.pt", weights_only=True)
    for facts in (None, {"kind": "sculpture", "size_multiple": 1}):
        torch.save(state | {"network": facts}, run_folder / "state.pt")
        with pytest.raises(WeightsError, match=r"the run in .* is (of another version|damaged)"):
            card_of(run_folder)
    assert "my_network" not in sys.modules


def test_a_training_begins_from_its_weights(run_folder):
    recipe = read_recipe("mine.yaml", changes=TINY | {"start": str(exported(run_folder))})
    net, average = initial_network(recipe).state_dict(), torch.load(run_folder / "state.pt", weights_only=True)["average"]
    for name, tensor in average.items():
        torch.testing.assert_close(net[name], tensor.half().float(), rtol=0, atol=0)
    with pytest.raises(WeightsError, match=r"not of the recipe's `my_network:Small` with {'width': 8}"):
        initial_network(recipe.model_copy(update={"arguments": {"width": 8}}))


@pytest.mark.usefixtures("folder")
def test_a_network_for_flow_is_trained_with_its_own_objective():
    Path("my_network.py").write_text("from unblur.models.flow import ZeroFlow\n\ndef build(*, width=4):\n    return ZeroFlow()\n")
    flow = read_recipe("pwcnet/sequences-cpu-hour", changes={"model": "my_network:build", "arguments": {}, "start": None})
    assert type(initial_network(flow)).__name__ == "ZeroFlow"
    with pytest.raises(InputError, match=r"gives a `ZeroFlow`, not a `unblur\.models\.base\.Net`; `create_flow`"):
        initial_network(read_recipe("mine.yaml", changes=TINY | {"model": "my_network:build", "arguments": {}}))

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
import torch
from changes import changed

from unblur.errors import InputError, ShapeError, UnblurError, WeightsError
from unblur.models import create, flow_names, names
from unblur.models.swift_best import SwiftBest
from unblur.models.swift_video_best import SwiftVideoBest
from unblur.training import loop, sources
from unblur.training.guard import MOST_ROLLBACKS
from unblur.training.initial import initial_network
from unblur.training.loop import train
from unblur.training.recipe import Recipe, read_recipe
from unblur.training.recipe_files import merge
from unblur.weights import card_of, load_tensors

ROOT = Path(__file__).parents[2]


def state_of(run: Path) -> dict:
    return torch.load(run / "state.pt", weights_only=True)


def log_of(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def same(one: object, other: object) -> bool:
    """Whether two states agree bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return one == other


class Drawn:
    """A pool that holds its pairs in memory and makes them at once."""

    def __init__(self, maker, *, capacity, start, new_pairs, **_rest):
        self.maker, self.range_of, self.waited = maker, (capacity, start, new_pairs), 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def range(self, step):
        capacity, start, new_pairs = self.range_of
        last = start + int(step * new_pairs)
        return max(0, last - capacity), last

    def stop(self):
        pass

    def pair(self, index):
        return self.maker(index)


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(sources, "PairPool", Drawn)


def weights_after(recipe: Recipe, out: Path, **inputs) -> dict[str, torch.Tensor]:
    assert list(train(recipe, out=out, **inputs))
    return state_of(out)["net"]


# What a run leaves, and going on


def test_a_run_leaves_all_that_is_needed(run, recipe):
    state = state_of(run)
    untrained = create(recipe.model, **recipe.arguments).state_dict()
    assert state["step"] == recipe.steps
    assert state["net"].keys() == state["average"].keys() == untrained.keys()
    assert not same(state["net"], state["average"])
    assert all(tensor.isfinite().all() for tensor in state["net"].values())
    assert Recipe.model_validate_json((run / "recipe.json").read_text()) == recipe
    log = log_of(run)
    assert [record["step"] for record in log] == [2, 4, 5]
    assert {"loss", "gain", "motion", "content", "norm", "rate", "crops_s", "data_wait"} < log[0].keys()
    assert sorted(path.name for path in run.iterdir()) == ["log.jsonl", "pool", "recipe.json", "state.pt"]


def killed_at(step: int):
    """An objective's forward that is interrupted in a step."""
    whole = loop.Training._take_step

    def take(self, batch):
        if self.step == step:
            raise KeyboardInterrupt
        return whole(self, batch)

    return take


@pytest.mark.parametrize("step", [0, 1, 3, 4])
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(run, recipe, photos, tmp_path, monkeypatch, step):
    """Whatever the step, and whatever was logged since the last checkpoint."""
    with monkeypatch.context() as patch:
        patch.setattr(loop.Training, "_take_step", killed_at(step))
        with pytest.raises(KeyboardInterrupt):
            list(train(recipe, photos=photos, out=tmp_path))
    assert state_of(tmp_path)["step"] == step - step % 2
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 99}\n')  # a line of a step that is taken again
    torch.rand(1)  # the global generator must not matter
    list(train(recipe, photos=photos, out=tmp_path))
    numbers = [state_of(folder) for folder in (run, tmp_path)]
    for each in numbers:
        each.pop("log_size")  # speeds have more or fewer digits
    assert same(*numbers)
    whole, resumed = log_of(run), log_of(tmp_path)
    for key in ("step", "loss", "motion", "gain"):
        assert [record[key] for record in whole] == [record[key] for record in resumed]


@pytest.mark.parametrize("name", ["deblurgan/gopro", "mdcn/dvd"])
def test_a_killed_process_goes_on_to_the_same_weights(name, shrink, sets, tmp_path):
    """SIGKILL, at a moment that nobody chose; with a discriminator, dropout, rates by part and threads that read ahead."""
    recipe = shrink(name, steps=40, save_every=3, workers=2, crop=32, log_every=1)
    data = sets[recipe.data.layout]
    (tmp_path / "recipe.yaml").write_text(recipe.model_dump_json())
    command = [
        sys.executable,
        "-m",
        "unblur.app",
        "train",
        f"{tmp_path}/recipe.yaml",
        "--data",
        data,
        "--out",
        tmp_path / "killed",
        "--cpu",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([str(word) for word in command], env=environment, stderr=subprocess.PIPE)
    log = tmp_path / "killed" / "log.jsonl"
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= 4):
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert process.returncode != 0
    assert state_of(tmp_path / "killed")["step"] < 40
    list(train(recipe, data=[data], out=tmp_path / "killed"))
    list(train(recipe, data=[data], out=tmp_path / "whole"))
    for key in ("net", "average", "optimisers", "adversary", "scaler", "guard"):
        assert same(state_of(tmp_path / "killed")[key], state_of(tmp_path / "whole")[key]), key


@pytest.mark.usefixtures("at_once")
def test_a_finished_run_stays_as_it_is_and_may_go_on(recipe, photos, tmp_path):
    short = changed(recipe, steps=1)
    weights_after(short, tmp_path, photos=photos)
    before = state_of(tmp_path)
    assert list(train(short, photos=photos, out=tmp_path)) == []
    assert same(state_of(tmp_path), before)
    assert [record["step"] for record in train(changed(recipe, steps=3), photos=photos, out=tmp_path)] == [2, 3]


@pytest.mark.usefixtures("at_once")
def test_another_recipe_in_the_same_folder_is_refused(recipe, photos, tmp_path):
    weights_after(changed(recipe, steps=1), tmp_path, photos=photos)
    before = (tmp_path / "recipe.json").read_text()
    with pytest.raises(InputError, match=r"another recipe: `seed`, `optimiser` differ"):
        list(train(changed(recipe, seed=9, optimiser="adamw"), photos=photos, out=tmp_path))
    assert (tmp_path / "recipe.json").read_text() == before
    (tmp_path / "recipe.json").write_text('{"model": "swift"}')
    with pytest.raises(InputError, match="older version"):
        list(train(recipe, photos=photos, out=tmp_path))
    (tmp_path / "recipe.json").write_text(before)
    (tmp_path / "state.pt").write_bytes(b"broken off")
    with pytest.raises(InputError, match=r"state\.pt` is damaged"):
        list(train(changed(recipe, steps=1), photos=photos, out=tmp_path))


# Many processes


def test_two_processes_train_as_one_with_twice_the_batch_of_each(shrink, sets, tmp_path):
    recipe = shrink("mscnn/gopro", steps=3, batch=4, save_every=3, validate_every=3, validate_pictures=3)
    data = sets[recipe.data.layout]
    (tmp_path / "recipe.yaml").write_text(recipe.model_dump_json())
    launch = "-m accelerate.commands.launch --cpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no --main_process_port 0"
    command = [sys.executable, *launch.split(), "-m", "unblur.app", "train", f"{tmp_path}/recipe.yaml"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(word) for word in [*command, "--data", data, "--out", tmp_path / "two"]],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    list(train(recipe, data=[data], out=tmp_path / "one"))
    one, two = state_of(tmp_path / "one"), state_of(tmp_path / "two")
    for key in ("net", "average"):
        for place, tensor in one[key].items():
            torch.testing.assert_close(two[key][place], tensor, rtol=1e-3, atol=2e-6, msg=lambda text, place=place: f"{place}: {text}")
    for alone, together in zip(log_of(tmp_path / "one"), log_of(tmp_path / "two"), strict=True):
        assert alone.keys() == together.keys()
        for key in alone.keys() & {"step", "loss", "gain", "psnr"}:
            assert together[key] == pytest.approx(alone[key], rel=1e-3)


def test_a_batch_that_cannot_be_divided_is_refused(recipe):
    with pytest.raises(ValueError, match="`batch` \\(2\\) must be a multiple of `accumulate` \\(3\\)"):
        changed(recipe, accumulate=3)


# What keys do


@pytest.fixture(scope="module")
def plain(recipe, photos, tmp_path_factory) -> dict[str, torch.Tensor]:
    """Weights after two steps of the recipe as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "PairPool", Drawn)
        return weights_after(changed(recipe, steps=2), tmp_path_factory.mktemp("plain"), photos=photos)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "changes",
    [
        {"initialisation": "xavier"},
        {"seed": 2},
        {"batch": 4},
        {"crop": 24},
        {"optimiser": "adamw"},
        {"betas": [0.5, 0.6]},
        {"lr": 2e-3},
        {"lr_of": {"motion": 1e-6}},
        {"only": ["motion"]},
        {"warmup": 0},
        {"milestones": [1]},
        {"decay": 1},
        {"lr_end": 0.5},
        {"decay_power": 3.0},
        {"weight_decay": 0.5},
        {"loss": {"charbonnier": 0.02}},
        {"loss": {"log_mse": 0.5}},
        {"blur_field_weight": 0.0},
        {"teacher_forcing_until": 0},
        {"clip": 1e-3},
        {"precision": "bf16"},
        {"blur": {"length": [3.0, 9.0]}},
        {"flip": 0.0},
        {"rotate90": False},
        {"permute_channels": 1.0},
        {"saturation": [0.5, 0.6]},
        {"noise": 0.2},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_key_of_a_recipe_has_its_effect(recipe, photos, tmp_path, plain, changes):
    assert not same(weights_after(changed(recipe, **({"steps": 2} | changes)), tmp_path, photos=photos), plain)


@pytest.mark.usefixtures("at_once")
def test_accumulating_parts_is_the_same_step(recipe, photos, tmp_path, plain):
    parts = weights_after(changed(recipe, steps=2, accumulate=2), tmp_path, photos=photos)
    for name, tensor in plain.items():
        torch.testing.assert_close(parts[name], tensor, rtol=0.02, atol=2e-4)  # Muon orthogonalises in bf16


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "name",
    ["dmphn/gopro", "swift/stills", "swift_video/sequences-cpu-hour", "swift_video_best/deconvolved-cpu", "pwcnet/sequences-cpu-hour"],
)
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch looks at it while it traces
def test_compiled_networks_take_the_same_steps(shrink, photos, sets, tmp_path, monkeypatch, name):
    """torch traces the network, and runs what it traced without a compiler."""
    traced: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, _inputs: list[torch.Tensor]):
        traced.append(graph)
        return graph.forward

    compile_by_torch = torch.compile
    monkeypatch.setattr(torch, "compile", lambda called, **_: compile_by_torch(called, backend=backend))
    recipe = shrink(name, optimiser="adamw")
    inputs = {"photos": photos} if recipe.data.kind in ("stills", "sequences") else {"data": [sets["gopro"]]}
    plain = weights_after(recipe, tmp_path / "plain", **inputs)
    assert not traced
    compiled = weights_after(changed(recipe, compile=True), tmp_path / "compiled", **inputs)
    assert traced
    assert compiled.keys() == plain.keys()
    for key, tensor in plain.items():
        torch.testing.assert_close(compiled[key], tensor, rtol=1e-3, atol=1e-5)


@pytest.mark.usefixtures("at_once")
def test_the_average_follows_by_its_decay(recipe, photos, tmp_path):
    for ema in (0.0, 0.999):
        weights_after(changed(recipe, steps=2, ema=ema), tmp_path / str(ema), photos=photos)
    state = state_of(tmp_path / "0.0")
    assert same(state["net"], state["average"])
    assert not same(state_of(tmp_path / "0.999")["average"], state["average"])
    assert same(state_of(tmp_path / "0.999")["net"], state["net"])


def test_fp16_scales_its_loss_and_trains_on(shrink, sets, tmp_path):
    """The scale is so high at first that the gradient overflows: the step is passed over, and nothing goes back."""
    recipe = shrink("dmphn/gopro", steps=12, precision="fp16", save_every=12, loss={"mse": 100.0})
    list(train(recipe, data=[sets["gopro"]], out=tmp_path))
    assert state_of(tmp_path)["scaler"]["scale"] > 0
    assert not any("event" in record for record in log_of(tmp_path))


def test_training_makes_pictures_sharper(shrink, sets, tmp_path):
    recipe = shrink("srn/gopro", steps=60, batch=4, crop=32, lr=3e-3, decay=20, log_every=20)
    gains = [record["gain"] for record in train(recipe, data=[sets["gopro"]], out=tmp_path)]
    assert gains[-1] > gains[0] + 3


# What is written besides


@pytest.mark.usefixtures("at_once")
def test_validation_samples_and_curves(recipe, photos, sets, tmp_path):
    whole = changed(recipe, steps=4, validate_every=2, validate_pictures=2, sample_every=2, tensorboard=True)
    records = list(train(whole, photos=photos, data=[sets["gopro"]], out=tmp_path))
    validated = [record for record in records if "protocol" in record]
    assert [record["step"] for record in validated] == [2, 4]
    assert all(record["protocol"] == "gopro-skimage" and record["psnr"] > 10 and 0 < record["ssim"] < 1 for record in validated)
    blurry = {record["input_psnr"] for record in validated}
    assert len(blurry) == 1  # it does not change
    middle = sorted((sets["gopro"] / "test/GOPR0002/blur_gamma").iterdir())
    truths = sorted((sets["gopro"] / "test/GOPR0002/sharp").iterdir())
    pairs = [(cv2.imread(str(middle[place])), cv2.imread(str(truths[place]))) for place in (0, 7)]
    assert blurry.pop() == pytest.approx(sum(cv2.PSNR(*pair) for pair in pairs) / 2, abs=1e-3)
    sheet = cv2.imread(str(tmp_path / "samples" / "00000004.jpg"))
    assert sheet.shape == (3 * whole.crop, 2 * whole.crop, 3)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    with pytest.raises(InputError, match=r"nothing to validate with.*validate_every=0"):
        list(train(whole, photos=photos, data=[sets["dvd"]], out=tmp_path / "other"))


# What goes wrong


def spoiled(at: int, times: int, harm):
    """A step's numbers or weights spoiled at step `at`, `times` times."""
    whole, count = loop.Training._take_step, [0]

    def take(self, batch):
        numbers, output = whole(self, batch)
        if self.step == at and count[0] < times:
            count[0] += 1
            harm(self, numbers)
        return numbers, output

    return take


def poison(_training, numbers):
    numbers["loss"] = numbers["loss"] * float("nan")


def test_what_is_not_finite_goes_back_with_another_order_and_rate(shrink, sets, tmp_path, monkeypatch):
    recipe = shrink("srn/gopro", steps=8, save_every=4, log_every=2)
    monkeypatch.setattr(loop.Training, "_take_step", spoiled(6, 1, poison))
    records = list(train(recipe, data=[sets["gopro"]], out=tmp_path))
    events = [record for record in records if "event" in record]
    assert [record["step"] for record in records] == [2, 4, 6, 4, 6, 8]
    assert "no longer a finite number; went back from step 8 to 4" in events[0]["event"]
    assert events[0]["rate"] == 0.5
    assert state_of(tmp_path)["guard"]["order"] == 1
    assert state_of(tmp_path)["guard"]["rollbacks"] == 0  # a sound checkpoint was reached
    assert all(tensor.isfinite().all() for tensor in state_of(tmp_path)["net"].values())


def test_it_gives_up_after_a_few_and_leaves_the_checkpoint(shrink, sets, tmp_path, monkeypatch):
    recipe = shrink("srn/gopro", steps=8, save_every=4)
    monkeypatch.setattr(loop.Training, "_take_step", spoiled(5, 99, poison))
    with pytest.raises(UnblurError, match=r"step 8.*from the checkpoint of step 4; gave up"):
        list(train(recipe, data=[sets["gopro"]], out=tmp_path))
    assert state_of(tmp_path)["step"] == 4
    assert len(log_of(tmp_path)) == MOST_ROLLBACKS
    assert all(tensor.isfinite().all() for tensor in state_of(tmp_path)["net"].values())


def test_it_goes_on_with_a_lower_rate_as_it_advises(shrink, sets, tmp_path, monkeypatch):
    recipe = shrink("srn/gopro", steps=8, save_every=4, clip=None, lr=1e-3, lr_of={})
    with monkeypatch.context() as patch:
        patch.setattr(loop.Training, "_take_step", spoiled(5, 99, poison))
        with pytest.raises(UnblurError, match=r"lower `lr` or `clip`, such as `--set lr=0\.00025`"):
            list(train(recipe, data=[sets["gopro"]], out=tmp_path))
    lower = changed(recipe, lr=2.5e-4, clip=1.0)
    with pytest.raises(InputError, match=r"another recipe: `lr`, `clip` differ"):
        list(train(lower, data=[sets["gopro"]], out=tmp_path))
    for other in ({"lr": 2e-3}, {"lr": 5e-4, "seed": 9}):
        with pytest.raises(InputError, match=r"`lr` and `clip` may be lowered"):
            list(train(changed(recipe, **other), data=[sets["gopro"]], out=tmp_path, may_lower_rate=True))
    records = list(train(lower, data=[sets["gopro"]], out=tmp_path, may_lower_rate=True))
    assert records[0]["event"] == "`lr` was 0.001 and is 0.00025, `clip` was None and is 1.0; going on from step 4"
    assert records[0] in log_of(tmp_path)
    state = state_of(tmp_path)
    assert state["step"] == 8
    assert {group["full_lr"] for each in state["optimisers"] for group in each["param_groups"]} == {2.5e-4}
    assert [(each["step"], each["key"], each["from"], each["to"]) for each in state["lowered"]] == [
        (4, "lr", 1e-3, 2.5e-4),
        (4, "clip", None, 1.0),
    ]
    assert json.loads((tmp_path / "recipe.json").read_text())["lr"] == 2.5e-4
    assert "`lr` lowered from 0.001 to 0.00025 at step 4" in card_of(tmp_path).recipe
    assert list(train(lower, data=[sets["gopro"]], out=tmp_path, may_lower_rate=True)) == []  # it is told once


def test_a_lower_rate_begins_with_all_tries(shrink, sets, tmp_path, monkeypatch):
    """What went wrong with the higher rate does not count, and the samples come in an order that has not been tried."""
    recipe = shrink("srn/gopro", steps=8, save_every=4)
    monkeypatch.setattr(loop.Training, "_take_step", spoiled(5, MOST_ROLLBACKS + 2, poison))
    with pytest.raises(UnblurError, match="gave up"):
        list(train(recipe, data=[sets["gopro"]], out=tmp_path))
    tried = state_of(tmp_path)["guard"]["order"]
    records = list(train(changed(recipe, lr=recipe.lr / 2), data=[sets["gopro"]], out=tmp_path, may_lower_rate=True))
    assert ["event" in record for record in records][:2] == [True, True]  # lowered, and once gone back
    assert records[1]["rate"] == 0.5
    assert state_of(tmp_path)["guard"]["order"] == tried + 2


def test_a_first_step_that_failed_does_not_block_the_corrected_command(shrink, sets, tmp_path):
    recipe = shrink("srn/gopro", steps=2)
    with pytest.raises(InputError, match="fewer than the crop"):
        list(train(changed(recipe, crop=512), data=[sets["gopro"]], out=tmp_path))
    assert state_of(tmp_path)["step"] == 0
    wider = changed(recipe, arguments=recipe.arguments | {"num_blocks": 2})
    list(train(wider, data=[sets["gopro"]], out=tmp_path))
    assert state_of(tmp_path)["step"] == 2
    with pytest.raises(InputError, match="another recipe: `arguments` differ"):
        list(train(recipe, data=[sets["gopro"]], out=tmp_path))


@pytest.mark.parametrize(("ema", "same"), [(0.0, True), (0.9, False)])
def test_with_ema_0_what_is_exported_are_the_weights_themselves(shrink, sets, tmp_path, ema, same):
    list(train(shrink("mdcn/dvd", ema=ema), data=[sets["dvd"]], out=tmp_path))
    state = state_of(tmp_path)
    assert all(torch.equal(tensor, state["average"][name]) for name, tensor in state["net"].items()) == same


def test_overflowing_offsets_go_back_and_the_training_recovers(shrink, sets, tmp_path, monkeypatch):
    """The weights themselves are spoiled, as a training would: offsets of thousands of pixels, everything read is 0."""
    recipe = shrink("mdcn/dvd", steps=8, save_every=4, log_every=4, lr_of={})

    def overflow(training, _numbers):
        training.net.alignment.aligners[0].offset.bias.data.fill_(5000.0)

    monkeypatch.setattr(loop.Training, "_take_step", spoiled(5, 1, overflow))
    records = list(train(recipe, data=[sets["dvd"]], out=tmp_path))
    event = next(record["event"] for record in records if "event" in record)
    assert "offset overflow" in event
    assert "of the points that deformable convolutions read lie outside the frame" in event
    assert "went back from step 8 to 4" in event
    state = state_of(tmp_path)
    assert state["step"] == 8
    assert state["net"]["alignment.aligners.0.offset.bias"].abs().max() < 1
    assert records[-1]["outside"] < 0.1


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("mscnn/gopro", {}, "needs a data set in the layout `gopro`"),
        ("swift/stills", {}, "needs sharp photos"),
        ("mscnn/gopro", {"model": "mdcn", "arguments": {}}, "sees 5 frame"),
        ("mdcn/dvd", {"frames": 3}, r"`data\.frames` must be that"),
        ("mdcn/dvd", {"truths": "all"}, "restores the middle frame"),
        ("mscnn/gopro", {"lr_of": {"flow": 1e-6}}, "`lr_of` names `flow`"),
        ("mscnn/gopro", {"only": ["trust"]}, "`only` names `trust`"),
        ("mscnn/gopro", {"flow_weights": "a.pth"}, "networks that estimate flow"),
        ("pwcnet/sequences-cpu-hour", {"flow_weights": "a.pth"}, "begins from `start`"),
        ("pwcnet/sequences-cpu-hour", {"model": "ppnet", "arguments": {}, "frames": 3}, "is for networks that estimate flow"),
        (
            "pwcnet/sequences-cpu-hour",
            {"objective": {"kind": "content", "loss": {"mse": 1.0}}},
            "restores nothing",
        ),
        ("swift/stills", {"model": "srn", "arguments": {}}, "networks that estimate a blur field"),
        ("swift_best/kernel-gpu-2min", {"model": "swift", "arguments": {}, "only": None, "lr_of": {}}, "networks that find the kernel"),
        ("swift_best/kernel-gpu-2min", {"crop": 288, "pair_size": 288}, "`crop` must be 256 or less"),
    ],
)
def test_what_does_not_fit_together_is_said(shrink, tmp_path, name, changes, words):
    recipe = changed(shrink(name), **changes)
    with pytest.raises(InputError, match=words):
        list(train(recipe, out=tmp_path))


def test_it_may_begin_from_weights(run, recipe, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "PairPool", Drawn)
    from_run = changed(recipe, steps=1, start=str(run), lr=1e-12, betas=[0.9, 0.9])
    weights = weights_after(from_run, tmp_path / "on", photos=photos)
    for name, tensor in state_of(run)["average"].items():
        torch.testing.assert_close(weights[name], tensor, rtol=0, atol=1e-6)
    other = changed(from_run, arguments=recipe.arguments | {"widths": [4, 4]})
    with pytest.raises(WeightsError, match="not of the recipe's `swift`"):
        list(train(other, photos=photos, out=tmp_path / "other"))


def test_swift_video_best_begins_as_the_built_in_swift_video():
    net = initial_network(read_recipe("swift_video_best/deconvolved-cpu")).eval()
    assert isinstance(net, SwiftVideoBest)
    video = create("swift_video").eval()
    video.load_state_dict(load_tensors("swift_video"))
    blurry = torch.rand(1, 3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(net(blurry), video(blurry), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(video(blurry), blurry[:, 1], atol=1e-2)


def test_swift_best_may_begin_from_one_that_finds_paths_with_less(shrink):
    arguments = shrink("swift_best/kernel-gpu-2min").arguments
    torch.manual_seed(0)
    narrow, wide = (create("swift_best", **merge(arguments, {"kernels": {"refiner_widths": [width]}})).eval() for width in (8, 12))
    blurry = torch.rand(1, 3, 64, 64)
    untaught = narrow.deconvolution(blurry)[0]
    torch.nn.init.normal_(narrow.deconvolution.kernel_estimator.refiner.unet.exit.weight)
    wide.load_state_dict(wide.tensors_from(narrow.state_dict(), architecture="swift_best"))
    taught = narrow.deconvolution(blurry)[0]
    assert not torch.allclose(taught, untaught, atol=1e-2)
    torch.testing.assert_close(wide.deconvolution(blurry)[0], taught, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", ["swift", "swift_best", "swift_video", "swift_video_best"])
def test_it_may_begin_from_one_with_fewer_blocks(model):
    torch.manual_seed(0)
    small = {"widths": [8, 12], "motion_widths": [4, 8], "motion_blocks": [1, 1]}
    less, more = (create(model, **(small | {"blocks": blocks})).eval() for blocks in ([1, 0], [2, 1]))
    for net in (less, more):
        torch.nn.init.normal_(net.restoration.exit.weight, std=0.1)
    blurry = torch.rand(1, 3, 64, 64) if less.num_frames == 1 else torch.rand(1, 3, 3, 64, 64)
    assert not torch.allclose(more(blurry), less(blurry), atol=1e-2)
    more.load_state_dict(more.tensors_from(less.state_dict(), architecture=model))
    torch.testing.assert_close(more(blurry), less(blurry), rtol=1e-4, atol=1e-5)
    more.train()(blurry).square().mean().backward()
    new = more.restoration.bottleneck[0]
    assert new.conv2.weight.grad.any()


def test_what_lacks_more_than_blocks_is_refused():
    net = create("swift_best", widths=[8, 12], blocks=[1, 1])
    tensors = {name: tensor for name, tensor in net.state_dict().items() if not name.startswith("gate.")}
    with pytest.raises(ShapeError, match="`gate"):
        net.tensors_from(tensors, architecture="swift_best")


def test_a_network_begins_from_tensors_of_its_own_names_and_shapes_alone():
    net = create("deepdeblur", num_scales=1, width=4, num_blocks=1)
    tensors = net.state_dict()
    assert same(net.tensors_from(tensors, architecture="deepdeblur"), dict(tensors))
    name, *others = tensors
    with pytest.raises(ShapeError, match=f"`{name}` is missing, one of 1 tensor"):
        net.tensors_from({other: tensors[other] for other in others}, architecture="deepdeblur")
    with pytest.raises(ShapeError, match="no tensor `more`"):
        net.tensors_from(tensors | {"more": torch.zeros(1)}, architecture="deepdeblur")
    with pytest.raises(ShapeError, match=rf"`{name}` is \(1,\), not \(4, "):
        net.tensors_from(tensors | {name: torch.zeros(1)}, architecture="deepdeblur")


def test_swift_video_best_begins_from_no_swift():
    with pytest.raises(ShapeError, match="not from a `swift`"):
        create("swift_video_best").tensors_from(create("swift").state_dict(), architecture="swift")


def test_the_loop_names_no_network():
    source = Path(loop.__file__).read_text(encoding="utf-8")
    assert not [name for name in (*names(), *flow_names()) if f"unblur.models.{name}" in source]


def test_swift_best_may_begin_from_swift(run, shrink):
    recipe = shrink("swift_best/deconvolved-cpu-hour", start=str(run))
    net = initial_network(recipe)  # which looks once in training, as `swift` does
    assert isinstance(net, SwiftBest)
    photo = create("swift", **json.loads((run / "recipe.json").read_text())["arguments"])
    photo.load_state_dict(load_tensors(run))
    blurry = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(net(blurry), photo(blurry), rtol=1e-4, atol=1e-5)

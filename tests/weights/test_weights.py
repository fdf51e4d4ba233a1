import hashlib
import io
import json
import pickle
from pathlib import Path

import pytest
import torch
from nets import TINY, save_weights, tiny_swift
from safetensors.torch import load, save

from unblur import weights
from unblur.errors import WeightsError
from unblur.models import create
from unblur.weights import (
    best_for,
    by_quality,
    card_of,
    card_path,
    digest_of,
    is_name,
    load_into,
    load_tensors,
    names,
    pulled_names,
    sha256_of,
    weights_path,
)


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def built_in(tmp_path, monkeypatch):
    folder = tmp_path / "built-in"
    folder.mkdir()
    monkeypatch.setattr(weights, "BUILT_IN", folder)
    for name in ("fast", "fine"):
        save_weights(folder / f"{name}.safetensors", tiny_swift())
    return folder


@pytest.fixture
def file(tmp_path):
    return save_weights(tmp_path / "mine.safetensors", tiny_swift(seed=1))


def test_what_was_saved_is_read(file):
    torch.testing.assert_close(load_tensors(file), dict(tiny_swift(seed=1).state_dict()), rtol=0, atol=0)
    assert card_of(file).architecture == "swift"
    assert sha256_of(file) == card_of(file).sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_built_in_weights_go_by_name(built_in):
    assert names() == ["fast", "fine"]
    assert weights_path("fine") == built_in / "fine.safetensors"
    assert card_of("fine").name == "fine"
    assert load_tensors("fine").keys() == tiny_swift().state_dict().keys()


def test_each_kind_gets_its_own_weights_if_there_are_any(built_in):
    assert (best_for("photo"), best_for("video")) == ("swift", "swift")
    save_weights(built_in / "swift_video.safetensors", tiny_swift())
    assert (best_for("photo"), best_for("video")) == ("swift", "swift_video")
    save_weights(built_in / "swift_video_best.safetensors", tiny_swift())
    assert by_quality("video") == ["swift_video_best", "swift_video", "swift"]
    assert by_quality("photo") == ["swift"]
    assert by_quality("video", quality="good") == ["swift_video", "swift"]
    assert by_quality("video", quality="fast") == by_quality("photo", quality="fast") == ["swift"]
    assert best_for("video", quality="good") == "swift_video"
    with pytest.raises(WeightsError, match="no quality `60`; choose one of fast, good, best"):
        by_quality("photo", quality="60")


@pytest.fixture
def store(tmp_path, monkeypatch):
    folder = tmp_path / "store"
    folder.mkdir()
    monkeypatch.setenv("UNBLUR_WEIGHTS", str(folder))
    return folder


def test_pulled_weights_go_by_name_and_are_chosen_by_nothing_else(built_in, store):
    chosen = by_quality("photo"), by_quality("video"), names()
    for name in ("maxim", "swift_best", "fine"):
        save_weights(store / f"{name}.safetensors", tiny_swift(seed=1))
    assert (by_quality("photo"), by_quality("video"), names()) == chosen
    assert pulled_names() == ["maxim", "swift_best"]
    assert (weights_path("maxim"), card_path("maxim")) == (store / "maxim.safetensors", store / "maxim.json")
    assert (weights_path("fine"), card_path("fine")) == (built_in / "fine.safetensors", built_in / "fine.json")  # built-in names win
    torch.testing.assert_close(load_tensors("maxim"), dict(tiny_swift(seed=1).state_dict()), rtol=0, atol=0)
    assert [is_name(name) for name in ("maxim", "fine", "maxim_1", "../store/maxim")] == [True, True, False, False]
    with pytest.raises(WeightsError, match="built in: fast, fine; pulled: maxim, swift_best; or give"):
        weights_path("nothing")


@pytest.mark.parametrize(("name", "command"), [("maxim", "pull maxim`"), ("maxim_1", "pull maxim --num-stages 1`")])
def test_weights_that_can_be_pulled_are_said_to_be(name, command):
    for read in (weights_path, card_of, load_tensors):
        with pytest.raises(WeightsError, match=f"`unblur models {command}"):
            read(name)


def test_every_card_that_is_built_in_is_that_of_its_weights():
    for name in names():
        assert card_of(name).name == name
        assert all(tensor.isfinite().all() and tensor.dtype == torch.float32 for tensor in load_tensors(name).values())


@pytest.mark.usefixtures("built_in")
@pytest.mark.parametrize("wrong", ["sharp", "Fast", "fast.safetensors", "nowhere/fast.safetensors", "", "../fast", "clip.mp4"])
def test_a_wrong_name_lists_the_right_ones(wrong):
    for read in (weights_path, card_of, load_tensors):
        with pytest.raises(WeightsError, match=r"built in: fast, fine; or give the path of a `.safetensors` file"):
            read(wrong)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "a.safetensors").mkdir()
    with pytest.raises(WeightsError, match="there are no weights"):
        load_tensors(tmp_path / "a.safetensors")


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".pkl", ".ckpt", ".bin"])
def test_a_pickle_is_refused_by_its_name(tmp_path, suffix):
    mark, path = tmp_path / "mark", tmp_path / f"a{suffix}"
    path.write_bytes(pickle.dumps(Hostile(mark)))
    with pytest.raises(WeightsError, match=r"is a pickle.*may run code.*\.safetensors"):
        load_tensors(path)
    assert not mark.exists()


@pytest.mark.parametrize("zipped", [False, True])
def test_a_pickle_under_another_name_is_refused_without_running_it(tmp_path, zipped):
    mark, path = tmp_path / "mark", save_weights(tmp_path / "a.safetensors", tiny_swift())
    if zipped:
        torch.save(Hostile(mark), path)
    else:
        path.write_bytes(pickle.dumps(Hostile(mark)))
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(card | {"sha256": sha256_of(path)}))  # even if the card vouches for it
    with pytest.raises(WeightsError, match="is damaged"):
        load_tensors(path)
    assert not mark.exists()
    torch.load(io.BytesIO(path.read_bytes()), weights_only=False) if zipped else pickle.loads(path.read_bytes())
    assert mark.exists()  # it would have


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1], lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: data + b"\0", lambda _: b""]
)
def test_a_changed_file_is_refused(file, change):
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(WeightsError, match=r"mine\.safetensors.*sha256 differs"):
        load_tensors(file)


def test_a_file_without_tensors_is_for_methods_without_parameters_alone(file):
    net = create("l0")
    load_into(net, "l0")
    assert load_tensors("l0") == {}
    assert card_of("l0").origin == "not trained"
    file.write_bytes(save({}))
    card = file.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | {"sha256": sha256_of(file), "origin": "not trained"}))
    with pytest.raises(WeightsError, match="do not fit the network"):
        load_into(tiny_swift(), file)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, (1 << 62).to_bytes(8, "little") + b"{}"])
def test_a_damaged_file_that_its_card_vouches_for(file, content):
    file.write_bytes(content)
    card = file.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | {"sha256": sha256_of(file)}))
    with pytest.raises(WeightsError, match=r"mine\.safetensors.*is damaged"):
        load_tensors(file)


def test_a_missing_card(file):
    file.with_suffix(".json").unlink()
    for read in (card_of, load_tensors):
        with pytest.raises(WeightsError, match=r"no card.*mine\.json"):
            read(file)


def test_a_card_that_is_a_folder(file):
    file.with_suffix(".json").unlink()
    file.with_suffix(".json").mkdir()
    with pytest.raises(WeightsError, match=r"cannot read the card.*mine\.json"):
        card_of(file)


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b"\xff\xfe", b"not json"])
def test_a_damaged_card(file, text):
    file.with_suffix(".json").write_bytes(text)
    with pytest.raises(WeightsError, match=r"mine\.json.*damaged or of another version"):
        load_tensors(file)


@pytest.mark.parametrize("key", ["sha256", "architecture", "licence", "training_data", "kind"])
def test_a_card_says_all(file, key):
    card = file.with_suffix(".json")
    values = json.loads(card.read_text())
    card.write_text(json.dumps({name: value for name, value in values.items() if name != key}))
    with pytest.raises(WeightsError, match=key):
        card_of(file)
    card.write_text(json.dumps(values | {"colour": "blue"}))
    with pytest.raises(WeightsError, match="colour"):
        card_of(file)
    card.write_text(json.dumps(values | {"kind": "sound"}))
    with pytest.raises(WeightsError, match="kind"):
        card_of(file)


def poisoned(file: Path, change) -> Path:
    """The same file with another tensor, for which its card vouches."""
    tensors = load(file.read_bytes())
    name = next(name for name, tensor in tensors.items() if tensor.ndim == 4)
    tensors[name] = change(tensors[name].clone())
    file.write_bytes(save(tensors))
    card = json.loads(file.with_suffix(".json").read_text())
    file.with_suffix(".json").write_text(json.dumps(card | {"sha256": sha256_of(file)}))
    return file


def with_value(tensor, value):
    tensor.view(-1)[-1] = value
    return tensor


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(file, value):
    with pytest.raises(WeightsError, match="no finite numbers"):
        load_tensors(poisoned(file, lambda tensor: with_value(tensor, value)))


def test_values_that_are_not_finite_in_fp32_are_refused(file):
    with pytest.raises(WeightsError, match="no finite numbers"):
        load_tensors(poisoned(file, lambda tensor: with_value(tensor.double(), 1e300)))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64])
def test_whole_numbers_are_no_weights(file, dtype):
    poisoned(file, lambda tensor: tensor.to(dtype))
    with pytest.raises(WeightsError, match=f"holds {dtype}, not torch.float32"):
        load_into(tiny_swift(), file)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_weights(file, dtype):
    net = tiny_swift()
    load_into(net, poisoned(file, lambda tensor: tensor.to(dtype)))
    assert all(tensor.dtype == torch.float32 for tensor in net.state_dict().values())


def run_folder(folder: Path, state) -> Path:
    folder.mkdir()
    (folder / "recipe.json").write_text(json.dumps({"model": "swift", "arguments": TINY, "steps": 1}))
    torch.save(state, folder / "state.pt")
    return folder


def test_an_evil_run_is_not_opened_and_nobody_is_told_how(tmp_path):
    run = run_folder(tmp_path / "run", {"average": Hostile(tmp_path / "mark"), "step": 1})
    for read in (load_tensors, card_of):
        with pytest.raises(WeightsError) as raised:
            read(run)
        assert "could run code" in str(raised.value)
        assert "weights_only" not in str(raised.value)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("state", [[1], {"average": [1], "step": 1}, {"average": {"a": 1}, "step": 1}, {"step": 1}])
def test_a_run_that_holds_something_else(tmp_path, state):
    with pytest.raises(WeightsError):
        load_tensors(run_folder(tmp_path / "run", state))


def test_a_run_that_diverged(tmp_path):
    average = tiny_swift().state_dict()
    average[next(iter(average))].view(-1)[0] = float("nan")
    with pytest.raises(WeightsError, match="diverged"):
        load_tensors(run_folder(tmp_path / "run", {"average": average, "step": 1}))


@pytest.fixture
def shared(built_in, tmp_path):
    """Weights whose part `inner` is the built-in `fine`."""
    path = tmp_path / "shared.safetensors"
    path.write_bytes(save({"outer": torch.arange(3.0)}))
    card = json.loads((built_in / "fine.json").read_text()) | {"name": "shared", "sha256": sha256_of(path), "parts": {"inner": "fine"}}
    path.with_suffix(".json").write_text(json.dumps(card))
    return path


def test_a_part_is_read_from_other_weights(shared):
    fine = load_tensors("fine")
    wanted = {"outer": torch.arange(3.0)} | {f"inner.{name}": values for name, values in fine.items()}
    torch.testing.assert_close(load_tensors(shared), wanted, rtol=0, atol=0)


def test_weights_whose_part_changes_are_told_apart(shared, built_in):
    before = digest_of(card_of(shared))
    assert digest_of(card_of("fine")) == card_of("fine").sha256 != before
    save_weights(built_in / "fine.safetensors", tiny_swift(seed=5))
    assert digest_of(card_of(shared)) != before


def test_parts_are_built_in_and_held_once(shared, file):
    card = json.loads(shared.with_suffix(".json").read_text())
    for other in (str(file), "missing", "../built-in/fine"):
        shared.with_suffix(".json").write_text(json.dumps(card | {"parts": {"inner": other}}))
        with pytest.raises(WeightsError, match="no built-in weights of one file"):
            load_tensors(shared)
        with pytest.raises(WeightsError, match="no built-in weights of one file"):
            digest_of(card_of(shared))
    name = next(iter(load_tensors("fine")))
    shared.write_bytes(save({f"inner.{name}": torch.zeros(1)}))
    shared.with_suffix(".json").write_text(json.dumps(card | {"sha256": sha256_of(shared)}))
    with pytest.raises(WeightsError, match="holds tensors of `inner`"):
        load_tensors(shared)


def test_weights_of_parts_have_none_themselves(shared, built_in):
    for suffix in (".safetensors", ".json"):
        (built_in / f"nested{suffix}").write_bytes(shared.with_suffix(suffix).read_bytes())
    card = json.loads(shared.with_suffix(".json").read_text()) | {"parts": {"inner": "nested"}}
    shared.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="no built-in weights of one file"):
        load_tensors(shared)

"""Trainings of the five systems and of those with flow: each number that a source states, or that was decided, in the recipe named after it."""

import re

import pytest

from unblur.synth.video import VideoBlur
from unblur.training.recipe import read_recipe
from unblur.training.recipe_files import find_recipe, recipe_names

FRAMES = {"dvd": (5708, 61), "gopro": (2103, 22), "reds": (24000, 240)}
"""Frames and clips of the training part of each data set."""


def windows(data, *, frames):
    """Whole windows of so many frames, as training takes them."""
    pictures, clips = FRAMES[data]
    return pictures - clips * (frames - 1)


def settings(name):
    """All values of a recipe by `key` and `section.key`."""
    values = read_recipe(name).model_dump()
    return values | {f"{section}.{key}": value for section in ("data", "objective") for key, value in values[section].items()}


DEEPDEBLUR = {
    "steps": 900_000,
    "batch": 2,
    "crop": 256,
    "optimiser": "adam",
    "lr": 5e-5,
    "milestones": (300_000,),
    "gamma": 0.1,
    "decay": 0,
    "flip": 0.5,
    "flip_vertical": 0.5,
    "rotate90": True,
    "permute_channels": 1.0,
    "saturation": (0.8, 1.2),
    "brightness": (1.0, 1.0),
    "contrast": (1.0, 1.0),
    "noise": pytest.approx(2 / 255, rel=1e-3),
    "noise_drawn": True,
    "objective.loss": {"multiscale_content": 1.0},
    "objective.adversary": "deepdeblur",
    "objective.adversarial_weight": 1e-4,
    "data.layout": "gopro",
}
MSCNN = {
    "steps": 2400 * 2103 // 4,
    "batch": 4,
    "crop": 256,
    "flip": 0.5,
    "flip_vertical": 0.0,
    "rotate90": False,
    "reverse": 0.0,
    "permute_channels": 0.0,
    "saturation": (1.0, 1.0),
    "noise": 0.0,
    "decay": 1200 * 2103 // 4,
    "decay_shape": "polynomial",
    "decay_power": 1.0,
    "lr_end": 0.01,
    "milestones": (),
    "optimiser": "adam",
    "betas": (0.9, 0.999),
    "lr": 1e-4,
    "lr_of": {},
    "objective.loss": {"multiscale_mse": 1.0},
    "data.layout": "gopro",
}
THESIS = {
    "steps": 850_000,
    "crop": 256,
    "initialisation": "xavier",
    "optimiser": "adam",
    "betas": (0.9, 0.999),
    "lr": 1e-4,
    "milestones": (400_000, 800_000),
    "gamma": 0.1,
    "decay": 0,
    "flip": 0.5,
    "flip_vertical": 0.5,
    "rotate90": False,
    "reverse": 0.5,
    "brightness": (0.8, 1.2),
    "contrast": (0.8, 1.2),
    "saturation": (0.8, 1.2),
    "noise": 0.01,
    "noise_drawn": False,
    "permute_channels": 0.0,
    "objective.loss": {"mse": 1.0},
    "data.frames": 5,
}
PPNET = {
    "steps": 300 * windows("dvd", frames=3) // 8,
    "decay": 100 * windows("dvd", frames=3) // 8,
    "batch": 8,
    "crop": 256,
    "optimiser": "adam",
    "betas": (0.9, 0.999),
    "lr": 1e-4,
    "lr_of": {"flow": 1e-6},
    "lr_end": 0.01,
    "decay_shape": "polynomial",
    "decay_power": 1.0,
    "milestones": (),
    "flow_weights": "pwcnet",
    "flip": 0.0,
    "flip_vertical": 0.0,
    "rotate90": False,
    "reverse": 0.0,
    "permute_channels": 0.0,
    "saturation": (1.0, 1.0),
    "noise": 0.0,
    "objective.loss": {"l1": 1.0},
    "data.layout": "dvd",
    "data.frames": 3,
}
STATED = {
    "deepdeblur/gopro": DEEPDEBLUR,
    "mscnn/gopro": MSCNN,
    "mdcn/dvd": THESIS | {"lr_of": {"alignment": 1e-6}, "data.layout": "dvd"},
    "mdcn/gopro": THESIS | {"lr_of": {"alignment": 1e-6}, "data.layout": "gopro"},
    "astcn/dvd": THESIS | {"lr_of": {"flow": 1e-6, "alignment": 1e-6, "sharpness": 1e-6}, "flow_weights": "pwcnet", "data.layout": "dvd"},
    "astcn/gopro": THESIS | {"lr_of": {"flow": 1e-6, "alignment": 1e-6, "sharpness": 1e-6}, "flow_weights": "pwcnet"},
    "ppnet/dvd": PPNET,
}


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, stated in STATED.items() for key in stated])
def test_the_recipe_says_what_its_source_states(name, key):
    assert settings(name)[key] == STATED[name][key]


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.split("/")[0] in ("mdcn", "astcn")])
def test_clips_of_the_thesis_are_mirrored_both_ways(name):
    assert min(read_recipe(name).flip, read_recipe(name).flip_vertical) == 0.5


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.startswith("astcn/")])
def test_masks_learn_at_the_rate_of_the_alignment(name):
    rates = read_recipe(name).lr_of
    assert rates["sharpness"] == rates.get("alignment", 1e-6)


@pytest.mark.parametrize(
    "name", [name for name in recipe_names() if name.split("/")[1].split("-")[0] in ("dvd", "gopro", "reds", "realblur")]
)
def test_published_settings_export_the_weights_themselves(name):
    assert read_recipe(name).ema == 0


@pytest.mark.parametrize("name", ["mdcn/dvd", "mdcn/gopro", "mdcn/reds", "astcn/dvd", "astcn/gopro", "astcn/reds"])
def test_a_checkpoint_is_kept_each_epoch_of_the_windows_trained_on(name):
    recipe = read_recipe(name)
    assert recipe.save_every == round(windows(recipe.data.layout, frames=recipe.frames) / recipe.batch)
    assert recipe.largest_outside is not None


@pytest.mark.parametrize(
    ("name", "epochs", "milestones"),
    [
        ("cdvdtsp/dvd", 500, (200, 400)),
        ("cdvdtsp/gopro", 500, (200, 400)),
        ("xiang/dvd", 500, (200, 400)),
        ("ppnet/dvd", 300, ()),
        ("ppnet/gopro", 300, ()),
    ],
)
def test_epochs_count_the_windows_trained_on(name, epochs, milestones):
    recipe = read_recipe(name)
    epoch = windows(recipe.data.layout, frames=recipe.frames) / recipe.batch
    assert recipe.steps == round(epochs * epoch)
    assert recipe.milestones == tuple(round(after * epoch) for after in milestones)


COMMENT = re.compile(r"^steps: (\d+) .*?([\d,]+) epochs of (?:the )?([\d,]+) (?:pairs|windows|clips)", re.MULTILINE)
"""Such as `steps: 349125  # 500 epochs of 5,586 windows of three, 8 a step`."""
RECKONED = {name: found.groups() for name in recipe_names() if (found := COMMENT.search(find_recipe(name).read_text(encoding="utf-8")))}


def test_epochs_are_reckoned_for_published_trainings():
    assert {"mscnn/gopro", "ppnet/dvd", "ppnet/gopro", "cdvdtsp/dvd", "cdvdtsp/gopro", "xiang/dvd", "ifirnn/gopro"} <= set(RECKONED)


@pytest.mark.parametrize("name", RECKONED)
def test_the_epochs_of_a_comment_are_those_of_the_steps(name):
    recipe = read_recipe(name)
    steps, epochs, count = (int(number.replace(",", "")) for number in RECKONED[name])
    assert count == windows(recipe.data.layout, frames=recipe.frames)
    assert steps == recipe.steps
    assert steps * recipe.batch / count == pytest.approx(epochs, abs=0.5)


def test_no_recipe_trains_on_dvd_what_was_only_tested_there():
    assert not {"mscnn/dvd", "dmphn/dvd", "pssnsc/dvd"} & set(recipe_names())


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mscnn/gopro-codecs-1", {"num_codecs": 1}),
        ("mscnn/gopro-codecs-5", {"num_codecs": 5}),
        ("mscnn/gopro-no-attention", {"attention": False}),
        ("deepdeblur/gopro-k1", {"num_scales": 1}),
        ("deepdeblur/gopro-relu-after-sum", {"relu_after_sum": True}),
        ("deepdeblur/gopro-fixed-upsampling", {"upsampling": "fixed"}),
        ("astcn/dvd-filter-7", {"filter_size": 7}),
        ("astcn/dvd-no-alignment", {"align": False}),
        ("astcn/dvd-no-residual-offset", {"residual_offset": False}),
        ("astcn/dvd-no-flow", {"flow": None}),
        ("ppnet/dvd-pooling-only", {"attention": False}),
    ],
)
def test_variants_differ_from_their_base_by_what_they_are_named_after(name, arguments):
    own, base = (read_recipe(each).model_dump() for each in (name, name.split("-")[0]))
    assert own.pop("arguments") == base.pop("arguments") | arguments
    for values in (own, base):
        values["lr_of"] = {part: rate for part, rate in values["lr_of"].items() if part not in ("flow", "alignment")}
    assert own == base


def test_the_variant_without_adversary_has_the_same_content_loss_and_all_else():
    own, base = (read_recipe(name).model_dump() for name in ("deepdeblur/gopro-no-adversary", "deepdeblur/gopro"))
    assert own.pop("objective") == {"kind": "content", "loss": base.pop("objective")["loss"], "truths": "middle"}
    assert own == base


def test_pictures_and_features_are_aligned_by_flow_in_trainings_that_are_alike():
    pictures, features, base = (read_recipe(f"mdcn/{name}").model_dump() for name in ("dvd-picture-flow", "dvd-feature-flow", "dvd"))
    assert pictures.pop("arguments") == features.pop("arguments") | {"alignment": "pictures"}
    assert pictures == features
    changed = {key for key in features if features[key] != base[key]}
    assert changed == {"flow_weights", "lr_of"}
    assert (features["flow_weights"], features["lr_of"]) == ("pwcnet", {"flow": 1e-6})


@pytest.mark.parametrize(
    "name", ["ppnet/gopro", "edvr/gopro", "ovd/gopro", "xiang/gopro", "pvdnet/gopro", "gsta/gopro", "stfan/gopro", "dbn/gopro"]
)
def test_recipes_of_gopro_are_those_of_dvd(name):
    own, base = (read_recipe(each).model_dump() for each in (name, name.replace("gopro", "dvd")))
    assert (own["data"]["layout"], own["data"]["choice"]) == ("gopro", {"split": "train", "blur": "blur_gamma"})
    assert {key for key in own if own[key] != base[key]} - {"data", "steps", "decay"} == {
        "protocol",
        "validate_layout",
        "validate_choice",
        "validate_pictures",
    }
    epochs = [each["steps"] / windows(layout, frames=each["data"]["frames"]) for each, layout in ((own, "gopro"), (base, "dvd"))]
    assert name != "ppnet/gopro" or epochs[0] == pytest.approx(epochs[1], rel=1e-4)


@pytest.mark.parametrize(
    ("name", "base"),
    [(f"{system}/{data}", f"{system}/gopro") for system in ("deepdeblur", "mscnn") for data in ("reds", "realblur")]
    + [(f"{system}/reds", f"{system}/dvd") for system in ("mdcn", "astcn", "ppnet")],
)
def test_systems_train_on_reds_and_realblur_as_on_the_data_of_their_source(name, base):
    own, other = (read_recipe(each).model_dump() for each in (name, base))
    layout = name.split("/")[1]
    parts = {"reds": ({"split": "train", "blur": "blur"}, {"split": "val", "blur": "blur"}, "reds-val300")}
    parts["realblur"] = ({"kind": "J", "split": "train"}, {"kind": "J", "split": "test"}, "realblur-ecc")
    assert own["data"] == other["data"] | {"layout": layout, "choice": parts[layout][0]}
    assert (own["validate_layout"], own["validate_choice"], own["protocol"]) == (layout, *parts[layout][1:])
    assert {key for key in own if own[key] != other[key]} - {"save_every"} == {
        "data",
        "protocol",
        "validate_layout",
        "validate_choice",
        "validate_pictures",
    } - ({"validate_pictures"} if own["validate_pictures"] == other["validate_pictures"] else set())


def test_blur_is_made_of_7_to_13_frames_as_gopro_was():
    assert VideoBlur().frames_per_blur == (7, 9, 11, 13)

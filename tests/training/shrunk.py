"""The shipped recipes made small enough to run in a second."""

from pathlib import Path

from changes import changed

from unblur.training.recipe import Recipe, read_recipe
from unblur.training.recipe_files import merge

TINY_FLOW = {"flow": {"widths": [4, 6, 8], "decoder_widths": [8, 6], "context_widths": [6, 6, 6, 6, 6, 4]}}
SWIFT_BEST = {
    "widths": [8, 12],
    "blocks": [1, 1],
    "motion_widths": [8, 12],
    "motion_blocks": [1, 1],
    "kernels": {"size": 5, "refiner_widths": [8], "refiner_blocks": [1]},
}
NETWORKS = {
    "astcn": {"widths": [4, 6, 8], "num_blocks": 1, "cost_radius": 1},
    "cdvdtsp": {"widths": [4, 6, 8], "num_blocks": 1, "kernel_size": 3},
    "dbn": {"width": 4},
    "dbgan": {"width": 4, "num_blocks": 1},
    "deblurgan": {"width": 4, "num_blocks": 1},
    "deepdeblur": {"width": 4, "num_blocks": 1},
    "dmphn": {"widths": [4, 6, 8], "num_blocks": 1},
    "edvr": {"width": 8, "groups": 2, "num_extract_blocks": 1, "num_blocks": 1, "head_width": 4},
    "gsta": {"widths": [4, 6, 8], "num_blocks": 1, "kernel_size": 3, "num_descriptors": 5},
    "ifirnn": {"width": 12, "hidden": 4, "num_blocks": 1, "iterations": 2},
    "maxim": {"width": 4, "num_groups": 1, "num_bottlenecks": 1},
    "mdcn": {"widths": [4, 6, 8], "num_blocks": 1},
    "mscnn": {"widths": [4, 6, 8], "num_blocks": 1},
    "ovd": {"width": 8, "num_blocks": 1},
    "pwcnet": {"widths": [4, 6, 8], "decoder_widths": [8, 6], "context_widths": [6, 6, 6, 6, 6, 4]},
    "ppnet": {"widths": [4, 6, 8], "num_blocks": 1, "kernel_size": 3, "reduction": 4},
    "pssnsc": {"widths": [4, 6, 8], "num_blocks": 1},
    "pvdnet": {"width": 4, "num_blocks": 1},
    "srn": {"widths": [4, 6, 8], "num_blocks": 1, "kernel_size": 3},
    "stfan": {"widths": [4, 6, 8], "num_blocks": 1, "filter_size": 3},
    "svrnn": {"widths": [4, 6], "guide_widths": [4, 6, 8, 8], "num_filters": 2},
    "swift": {"widths": [8, 12], "blocks": [1, 1], "motion_widths": [8, 12], "motion_blocks": [1, 1]},
    "swift_best": SWIFT_BEST,
    "swift_fused": {
        "maxim": {"width": 4, "num_groups": 1, "num_bottlenecks": 1},
        "swift_best": SWIFT_BEST,
    },
    "swift_video_best": {
        "widths": [8, 12],
        "blocks": [1, 1],
        "motion_widths": [8, 12],
        "motion_blocks": [1, 1],
        "flow_widths": [8, 8],
        "flow_radii": [0, 1],
        "iterations": [1, 2],
        "samples": 3,
    },
    "swift_video": {
        "widths": [8, 12],
        "blocks": [1, 1],
        "motion_widths": [8, 12],
        "motion_blocks": [1, 1],
        "flow_widths": [4, 8],
        "flow_radii": [0, 2],
    },
    "xiang": {"width": 4, "num_blocks": 1, "kernel_size": 3},
}
"""Arguments that make a network small; the recipe's others stay."""


def small(path: str | Path, **changes: object) -> Recipe:
    """A built-in recipe with a small network, small crops and a batch of two."""
    recipe = read_recipe(path)
    adversary = getattr(recipe.objective, "adversary", None)
    with_flow = isinstance(recipe.arguments.get("flow"), dict)
    flow_is_fixed = recipe.model == "pvdnet"  # random flow would never be learnt, which is refused
    values: dict[str, object] = {
        "start": None,
        "arguments": merge(recipe.arguments, NETWORKS[recipe.model] | (TINY_FLOW if with_flow and not flow_is_fixed else {})),
        "steps": 2,
        "batch": 2,
        "crop": 64 if adversary == "deblurgan" else 32 if flow_is_fixed else 16,
        "precision": "fp32",
        "workers": 0,
        "tensorboard": False,
        "save_every": 2,
        "sample_every": 0,
        "validate_every": 0,
        "flow_weights": recipe.flow_weights if flow_is_fixed else None,  # they would not fit the small flow
        "only": recipe.only if flow_is_fixed or recipe.flow_weights is None else None,  # so that flow can be learnt
        "lr_of": {part: max(rate, 1e-4) if part.endswith("flow") else rate for part, rate in recipe.lr_of.items()},
    }
    if recipe.data.kind in ("stills", "dynamic", "sequences"):
        crop = 32 if recipe.objective.kind == "camera_kernel" else 20 if "scale" in recipe.arguments else 16
        values |= {"pair_size": 32, "pool": 4, "pool_start": 2, "new_pairs": 0.5, "crop": crop}
    if recipe.model in ("maxim", "swift_fused"):
        values |= {"pair_size": 64, "crop": 64}
    if adversary == "deepdeblur":
        values |= {"crop": 256, "adversary_arguments": {"width": 2}}
    if adversary in ("dbgan", "deblurgan"):
        values["adversary_arguments"] = {"width": 4}
    if hasattr(recipe.objective, "blurrer_arguments"):
        values["blurrer_arguments"] = {"width": 4, "num_blocks": 1}
    if hasattr(recipe.objective, "level_weights"):
        values["level_weights"] = [0.005, 0.01]  # of two levels
    if recipe.all_truths:
        values["frames"] = 6
    return changed(recipe, **(values | changes))

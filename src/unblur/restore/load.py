"""From the name of weights to a network that is ready to restore."""

from pathlib import Path

from unblur.errors import InputError, WeightsError
from unblur.models import create
from unblur.models.swift import Swift
from unblur.restore.blurred import BlurMeter
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.memory import keep_freed_memory
from unblur.restore.precision import Device, Precision, set_up
from unblur.restore.threads import Threads
from unblur.weights import card_of, load_into, names
from unblur.weights.run import is_run

__all__ = ["load"]


def load(
    name_or_path: str | Path = "swift",
    *,
    device: Device = "auto",
    precision: Precision = "auto",
    tile: int | None = None,
    only_blurred: bool = False,
    views: int = 1,
    one_size: bool = False,
    threads: int | None = None,
) -> Deblurrer:
    """Load weights and make them ready to restore pictures and clips.

    On Linux with glibc, this asks the C library to keep freed memory for the process instead of giving it back, which
    makes frames 1.5 to 2 times faster on a processor.

    Args:
        name_or_path: name of built-in weights (`unblur.weights.names()`), a `.safetensors` file with its card, or the
            folder of a run of `unblur train`.
        device: where to run; `auto` takes a GPU if there is one.
        precision: of the network's arithmetic; `auto` takes bf16 where the hardware multiplies it, else fp32.
        tile: largest side of a tile's core in pixels; chosen by free memory if None.
        only_blurred: leave pictures and frames alone, bit for bit, that are sharp (`unblur.restore.blurred`).
        views: 1, 2, 4 or 8: as many mirrored and turned views are restored and averaged, in as many times the time
            (`unblur.restore.views`).
        one_size: restore pictures at their own size alone; by itself, the project's own networks restore smaller ones as well and take in each place
            the one that tells most (`unblur.restore.sizes`), in up to two thirds more time.
        threads: of the processor, at most; small pictures are restored on one. None takes as many as are free, and no more than torch would
            (`OMP_NUM_THREADS`), and looks again while it works (`unblur.restore.threads`).

    Raises:
        WeightsError: if there are no such weights, or they are damaged, unsafe or of another network.
        DeviceError: if the device or precision is not there.
        InputError: if there are no so many views, or less than one thread.

    Example:
        >>> import numpy as np, unblur
        >>> deblurrer = unblur.load("swift", device="cpu")
        >>> deblurrer.photo(np.zeros((9, 13, 3), np.uint8)).shape
        (9, 13, 3)
    """
    chosen = Threads(threads)  # from now on, what others do is looked at
    keep_freed_memory()
    card = card_of(name_or_path)
    if card.kind == "flow":
        raise WeightsError(
            f"the weights `{name_or_path}` estimate flow between frames, which video networks use; they restore nothing by themselves"
        )
    try:
        net = create(card.architecture, **card.arguments)
    except (InputError, TypeError, ValueError) as error:
        raise WeightsError(f"the card of `{name_or_path}` names a network that this version cannot build: {error}") from error
    if card.kind == "photo" and net.num_frames > 1:
        raise WeightsError(
            f"the card of `{name_or_path}` is wrong: it is for photos, but the network looks at {net.num_frames} frames of a video"
        )
    load_into(net, name_or_path)
    meter = None
    if only_blurred:
        sees = net if isinstance(net, Swift) else load("swift", device=device, precision=precision).net
        assert isinstance(sees, Swift)
        meter = BlurMeter(sees, setup=set_up(sees, device=device, precision=precision))
    return Deblurrer(
        net,
        setup=set_up(net, device=device, precision=precision, views=views),
        card=card,
        tile=tile,
        meter=meter,
        one_size=one_size,
        threads=chosen,
        model=str(name_or_path) if str(name_or_path) in names() and not is_run(name_or_path) else str(Path(name_or_path).resolve()),
    )

"""From the name of weights to a network that is ready to restore."""

from dataclasses import replace
from pathlib import Path

from unblur.errors import DeviceError, InputError, UnblurError, WeightsError
from unblur.models import create
from unblur.models.base import Net
from unblur.models.foreign import ForeignNet
from unblur.models.supervised import EstimatesBlurField
from unblur.restore.blurred import BlurMeter
from unblur.restore.checks import as_path, check_whole
from unblur.restore.deblurrer import SMALLEST_TILE, Deblurrer
from unblur.restore.memory import keep_freed_memory, out_of_memory
from unblur.restore.precision import Device, Precision, Setup, set_up
from unblur.restore.reach import VISIBLE, measure_reach
from unblur.restore.runtimes import Runtime, by_runtime, check_runtime
from unblur.restore.threads import Threads
from unblur.weights import FASTEST, Card, allowed_architecture, card_of, digest_of, is_name, load_into
from unblur.weights.foreign import read_foreign
from unblur.weights.run import is_run

__all__ = ["load_network"]


def load_network(
    model: str | Path | None = None,
    *,
    weights: str | Path | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
    tile: int | None = None,
    skip_sharp: bool = False,
    self_ensemble: int = 1,
    single_scale: bool = False,
    threads: int | None = None,
    network: str | None = None,
    runtime: Runtime = "torch",
) -> Deblurrer:
    """Load the weights of one network and make them ready to restore pictures and clips.

    On Linux with glibc, this asks the C library to keep freed memory for the process instead of giving it back, which
    makes frames 1.5 to 2 times faster on a processor.

    Args:
        model: name of built-in weights (`unblur.weights.names()`) or of pulled ones, a `.safetensors` file with its card,
            or the folder of a run of `unblur train`. Either this or `weights` is given.
        weights: instead, a published checkpoint of a third-party network, a `.pth`, `.pt`, `.ckpt` or `.safetensors` file. It is read
            without running anything in it, by the library spandrel, which `unblur[peers]` installs (`unblur.weights.foreign`).
        device: where to run; `auto` takes a GPU if there is one.
        precision: of the network's arithmetic; `auto` takes bf16 where the hardware multiplies it, else fp32.
        tile: largest side of a tile's core in pixels; chosen by free memory if None.
        skip_sharp: leave pictures and frames alone, bit for bit, that are sharp (`unblur.restore.blurred`).
        self_ensemble: 1, 2, 4 or 8: as many mirrored and turned views are restored and averaged, in as many times the time
            (`unblur.restore.self_ensemble`).
        single_scale: restore pictures at their own size alone; by itself, the project's own networks restore smaller ones as well and take in each place
            the one that tells most (`unblur.restore.multi_scale`), in up to two thirds more time.
        threads: of the processor, at most; small pictures are restored on one. None takes as many as are free, and no more than torch would
            (`OMP_NUM_THREADS`), and looks again while it works (`unblur.restore.threads`).
        network: import path of a network that is not part of the package, `package.module:function`, if the weights are of one; its code is run.
        runtime: what computes the network: `torch`, or `onnx` or `openvino`, to which it is exported (`unblur.restore.runtimes`).

    Raises:
        WeightsError: if there are no such weights, or they are damaged, unsafe or of another network.
        DeviceError: if the device or precision is not there.
        InputError: if there are no so many views, less than one thread, not one of `model` and `weights` is given, or `network` cannot be
            imported.
    """
    if (model is None) is (weights is None):
        raise InputError("one network is needed: give either `model` or `weights`")
    if network is not None and model is None:
        raise InputError("`network` goes with `model`: published checkpoints are recognised by themselves")
    check_runtime(runtime)
    if runtime != "torch" and model is None:
        raise InputError("other runtimes compute the project's own networks; leave out `runtime`, or `weights`")
    if tile is not None:
        check_whole("tile", tile, least=SMALLEST_TILE)
    if threads is not None:
        check_whole("threads", threads, least=1)
    named = str(model if weights is None else weights)
    as_path(model if weights is None else weights)
    chosen = Threads(threads)  # from now on, what others do is looked at
    keep_freed_memory()
    card, net = _own(named, network=network) if weights is None else (None, read_foreign(named))
    meter = None
    if skip_sharp:
        sees = net if named == FASTEST else load_network(FASTEST, device=device, precision=precision).net
        assert isinstance(sees, EstimatesBlurField)
        meter = BlurMeter(sees, setup=replace(set_up(sees, device=device, precision=precision), threads=chosen))
    if isinstance(net, ForeignNet):
        setup = _set_up_foreign(net, device=device, precision=precision, self_ensemble=self_ensemble)
    else:
        setup = set_up(net, device=device, precision=precision, self_ensemble=self_ensemble)
    called = named if weights is None and is_name(named) and not is_run(named) else str(Path(named).resolve())
    setup = replace(setup, threads=chosen)
    if card is not None:
        net, setup = by_runtime(net, setup, runtime=runtime, sha256=digest_of(card))
    return Deblurrer(net, setup=setup, card=card, tile=tile, meter=meter, single_scale=single_scale, model=called)


def _own(name_or_path: str, *, network: str | None) -> tuple[Card, Net]:
    """One of the project's networks, or one that the user names, by its card."""
    card = card_of(name_or_path)
    if card.kind == "flow":
        raise WeightsError(
            f"the weights `{name_or_path}` estimate flow between frames, which video networks use; they restore nothing by themselves"
        )
    if network is not None and card.architecture != network:
        raise WeightsError(f"the weights `{name_or_path}` are of the network `{card.architecture}`, not of `{network}`")
    try:
        net = create(allowed_architecture(card, networks=() if network is None else (network,)), **card.arguments)
    except (InputError, TypeError, ValueError) as error:
        raise WeightsError(f"the card of `{name_or_path}` names a network that this version cannot build: {error}") from error
    if card.kind == "photo" and net.num_frames > 1:
        raise WeightsError(
            f"the card of `{name_or_path}` is wrong: it is for photos, but the network looks at {net.num_frames} frames of a video"
        )
    load_into(net, name_or_path)
    return card, net


def _set_up_foreign(net: ForeignNet, *, device: Device, precision: Precision, self_ensemble: int) -> Setup:
    """Set a third-party network up, measure how far it looks, and state both in the note."""
    try:
        setup = set_up(net, device=device, precision=precision, self_ensemble=self_ensemble)
        reach = measure_reach(net, device=setup.device)
    except UnblurError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise DeviceError(f"memory is too small to run {net.system} on a picture of 512 pixels; close other programs") from error
        raise WeightsError(f"{net.system} cannot be run with these weights: {type(error).__name__}: {error}") from error
    net.receptive_radius, net.global_context = reach.radius, reach.is_global
    text = f"{' '.join((net.system, *net.tags))}, recognised by spandrel; measured receptive radius {reach.radius} pixels"
    if reach.remains > VISIBLE:
        text += (
            f", beyond which the whole picture still changes values by up to {reach.remains:.1g}: tiles differ by as much from the whole"
        )
    return replace(setup, note="; ".join(filter(None, (setup.note, text))))

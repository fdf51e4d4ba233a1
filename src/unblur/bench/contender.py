"""A method that is measured: a network with its weights, photo or video, or the blurry input itself."""

import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import unblur
from unblur.bench.cost import Cost, cost_of, cost_of_network
from unblur.bench.rows import Way, which
from unblur.data.layouts import Sample
from unblur.errors import UnsupportedError, WeightsError
from unblur.models import create, is_import_path
from unblur.models.base import Net
from unblur.models.foreign import ForeignNet
from unblur.restore.deblurrer import Deblurrer
from unblur.restore.load import load_network
from unblur.restore.memory import peak_bytes
from unblur.restore.precision import Device, Precision, Setup, set_up
from unblur.restore.stream import Stream
from unblur.weights import allowed_architecture, card_of, digest_of, load_into, load_tensors, sha256_of
from unblur.weights.run import is_run

__all__ = ["BLURRY", "Contender", "Picture", "Restored", "frames_of", "open_contender"]

BLURRY = "blurry"
"""Name of the method that leaves everything as it is: the line that all others must beat."""

Picture = NDArray[np.float32]
"""(H, W, 3), RGB in [0, 1]."""


@dataclass(frozen=True)
class Restored:
    """A restored picture, the seconds it took, the memory that its size needs, and the share of its area where the input was kept."""

    picture: Picture
    seconds: float
    peak_bytes: int
    kept_input: float


class Contender(ABC):
    """A method.

    Attributes:
        name: as it was asked for.
        system: name of its network.
        sha256: of its weights.
        arguments_sha256: of the arguments of its network.
        cost: parameters and multiply-adds.
        device: where it runs.
        precision: of its arithmetic.
        way: `network` for the network itself, `tool` for the way in which `unblur restore` uses it, `alone` for a network of several
            frames that is shown copies of one, `results` for pictures that another program restored.
        self_ensemble: mirrored and turned ones of which the mean is taken.
        data: name of the only data set on which it can be measured; None for any.
    """

    def __init__(
        self,
        name: str,
        *,
        system: str,
        sha256: str,
        arguments_sha256: str,
        cost: Cost,
        device: str,
        precision: str,
        way: Way,
        self_ensemble: int = 1,
        data: str | None = None,
    ) -> None:
        self.name, self.system, self.sha256, self.cost = name, system, sha256, cost
        self.arguments_sha256, self.data = arguments_sha256, data
        self.device, self.precision, self.way, self.self_ensemble = device, precision, way, self_ensemble
        self._peaks: dict[tuple[int, ...], int] = {}

    @property
    def which(self) -> tuple[str, ...]:
        """As `which` of the rows."""
        return which(
            self.sha256,
            self.device,
            self.precision,
            self.way,
            self.self_ensemble,
            arguments_sha256=self.arguments_sha256,
            version=unblur.__version__,
        )

    @property
    def needs_clips(self) -> bool:
        """Whether it looks at several frames."""
        return self.cost.frames > 1

    @abstractmethod
    def restore(self, pictures: Iterable[Picture], samples: Sequence[Sample] = ()) -> Iterator[Restored]:
        """Restore pictures one by one, or, if it looks at several frames, a clip; as many come out as go in, in order.

        Args:
            pictures: blurry.
            samples: of which they are; only results of another program, which are found by them, need these.
        """

    def _peak(self, picture: Picture, run: Any) -> int:  # noqa: ANN401 - any callable without arguments
        """Memory for pictures of this size, measured on the first; that run also warms up, and its time does not count."""
        if picture.shape not in self._peaks:
            self._peaks[picture.shape] = peak_bytes(run)
        return self._peaks[picture.shape]


class _Blurry(Contender):
    def restore(self, pictures: Iterable[Picture], samples: Sequence[Sample] = ()) -> Iterator[Restored]:  # noqa: ARG002
        for picture in pictures:
            yield Restored(picture, 0.0, 0, 1.0)


class _Tool(Contender):
    """A network of one frame, used as `unblur restore` uses it: tiled where memory asks for it, with its fail-safe."""

    def __init__(self, deblurrer: Deblurrer, name: str, **facts: Any) -> None:  # noqa: ANN401 - those of `Contender`
        super().__init__(name, **facts)
        self._deblurrer = deblurrer

    def restore(self, pictures: Iterable[Picture], samples: Sequence[Sample] = ()) -> Iterator[Restored]:  # noqa: ARG002
        for picture in pictures:
            peak = self._peak(picture, lambda picture=picture: self._deblurrer.photo(picture))
            began = time.perf_counter()
            report = self._deblurrer.photo_report(picture)
            yield Restored(report.picture, time.perf_counter() - began, peak, report.kept_input)


class _Network(Contender):
    """A network itself, on whole pictures; one of several frames is streamed over a clip, each frame's features computed once.

    Alone, every frame is a shot of its own, whose neighbours are copies of it.
    """

    def __init__(self, net: Net, setup: Setup, name: str, **facts: Any) -> None:  # noqa: ANN401 - those of `Contender`
        super().__init__(name, **facts)
        self._net, self._setup = net, setup

    def restore(self, pictures: Iterable[Picture], samples: Sequence[Sample] = ()) -> Iterator[Restored]:  # noqa: ARG002
        for clip in [list(pictures)] if self.needs_clips else ([picture] for picture in pictures):
            if not clip:
                return
            window = clip[: self._net.num_frames]
            peak = self._peak(clip[0], lambda window=window: list(self._stream(window)))
            began = time.perf_counter()
            restored = list(self._stream(clip))
            seconds = (time.perf_counter() - began) / len(clip)
            for picture in restored:
                yield Restored(picture, seconds, peak, 0.0)

    def _stream(self, frames: Iterable[Picture]) -> Iterator[Picture]:
        # A network of one frame remembers nothing, so there is no cut to look for; a clip may have some.
        is_cut = (lambda _: self.way == "alone") if self.way == "alone" or not self.needs_clips else None
        stream = Stream(self._net, setup=self._setup, is_cut=is_cut)
        for restored in stream.restore(torch.from_numpy(frame).permute(2, 0, 1) for frame in frames):
            yield restored.clamp(0, 1).permute(1, 2, 0).contiguous().cpu().numpy()


def frames_of(name: str, *, published: bool = False, as_tool: bool = False, alone: bool = False, networks: Collection[str] = ()) -> int:
    """Frames that go into a method for one that comes out, without loading it; for arguments see `open_contender`.

    Raises:
        WeightsError: if there are no such weights.
        UnsupportedError: if it cannot be measured in that way.
    """
    if published:
        if not Path(name).is_file():
            raise WeightsError(f"there is no file `{name}`")
        frames = 1
    elif name == BLURRY:
        return 1
    else:
        card = card_of(name)
        frames = cost_of(allowed_architecture(card, networks=networks), card.arguments).frames
    _refuse_way(name, frames, as_tool=as_tool, alone=alone)
    return frames


def _refuse_way(name: str, frames: int, *, as_tool: bool, alone: bool) -> None:
    if frames > 1 and as_tool:
        raise UnsupportedError(f"`{name}` looks at {frames} frames; only photo networks are measured as the tool uses them")
    if frames == 1 and alone:
        raise UnsupportedError(f"`{name}` looks at one frame; only networks of several frames can be measured without neighbours")


def open_contender(
    name: str,
    *,
    called: str | None = None,
    published: bool = False,
    device: Device = "auto",
    precision: Precision = "auto",
    as_tool: bool = False,
    alone: bool = False,
    self_ensemble: int = 1,
    networks: Collection[str] = (),
) -> Contender:
    """Load a method.

    Args:
        name: built-in weights, a `.safetensors` file with its card, the folder of a run of `unblur train`, or `blurry`.
        called: what to call it; if None, `name`, or the name of the run's folder.
        published: `name` is the published checkpoint of a third-party network, as for `unblur.load(weights=...)`.
        device: where to run.
        precision: of the arithmetic.
        as_tool: measure a network of one frame as `unblur restore` uses it, with tiles and its fail-safe, which keeps the input
            where the result looks wrong; otherwise the network itself, on whole pictures, as papers measure.
        alone: show a network of several frames copies of each frame in place of its neighbours: what it restores without them.
        self_ensemble: mirrored and turned ones to restore and average, see `unblur.restore.self_ensemble`.
        networks: import paths of networks that are not part of the package, of which the weights may be; their code is run.

    Raises:
        WeightsError: if there are no such weights, or they are damaged or of another network.
        DeviceError: if the device or precision is not there.
        UnsupportedError: if a network of several frames is to be measured as the tool uses it, or one of one frame alone.
    """
    if name == BLURRY and not published:
        none: dict[str, Any] = {"sha256": "", "arguments_sha256": "", "device": "none", "precision": "none"}
        return _Blurry(called or name, system=BLURRY, cost=Cost(0, 0, 1), way="network", **none)
    if published:
        deblurrer = load_network(weights=name, device=device, precision=precision, self_ensemble=self_ensemble)
        assert isinstance(deblurrer.net, ForeignNet)
        cost = cost_of_network(deblurrer.net)
        facts: dict[str, Any] = {"system": deblurrer.net.system, "sha256": sha256_of(Path(name)), "arguments_sha256": "", "cost": cost}
        return _of_one_frame(name, called or name, deblurrer, facts, as_tool=as_tool, alone=alone)
    card = card_of(name)
    called = called or (card.name if is_run(name) else name)
    architecture = allowed_architecture(card, networks=networks)
    cost = cost_of(architecture, card.arguments)
    arguments = hashlib.sha256(json.dumps(card.arguments, sort_keys=True).encode()).hexdigest()
    sha256 = digest_of(card) or _digest(load_tensors(name))
    facts = {"system": architecture, "sha256": sha256, "arguments_sha256": arguments, "cost": cost}
    if cost.frames == 1:
        network = architecture if is_import_path(architecture) else None
        deblurrer = load_network(name, device=device, precision=precision, self_ensemble=self_ensemble, network=network)
        return _of_one_frame(name, called, deblurrer, facts, as_tool=as_tool, alone=alone)
    _refuse_way(name, cost.frames, as_tool=as_tool, alone=alone)
    net = create(architecture, **card.arguments)
    load_into(net, name)
    setup = set_up(net, device=device, precision=precision, self_ensemble=self_ensemble)
    return _Network(net, setup, called, **facts, **_where(setup), way="alone" if alone else "network")


def _of_one_frame(name: str, called: str, deblurrer: Deblurrer, facts: dict[str, Any], *, as_tool: bool, alone: bool) -> Contender:
    _refuse_way(name, 1, as_tool=as_tool, alone=alone)
    facts = facts | _where(deblurrer.setup)
    if as_tool:
        return _Tool(deblurrer, called, **facts, way="tool")
    return _Network(deblurrer.net, deblurrer.setup, called, **facts, way="network")


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 of weights that are in no file of their own."""
    digest = hashlib.sha256()
    for key, tensor in sorted(tensors.items()):
        digest.update(key.encode())
        digest.update(tensor.contiguous().float().numpy().tobytes())
    return digest.hexdigest()


def _where(setup: Setup) -> dict[str, Any]:
    """Device, precision and views; a GPU by its name, since seconds mean nothing without it."""
    device = torch.cuda.get_device_name(setup.device) if setup.device.type == "cuda" else setup.device.type
    return {"device": device, "precision": setup.precision, "self_ensemble": setup.self_ensemble}

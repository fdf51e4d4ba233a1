"""A network that a runtime computes in place of torch, exported once for each size that it needs, and kept in the user's cache folder."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import unblur
from unblur.errors import InputError, UnsupportedError
from unblur.export.convert import Size, to_onnx
from unblur.export.runtimes import OnnxSession, OpenVinoSession, open_session
from unblur.io.folders import user_folder
from unblur.io.whole import written_whole
from unblur.models.base import Net
from unblur.restore.machine import CACHE_VARIABLE, measured_once
from unblur.restore.precision import Setup

__all__ = ["CompiledNet"]

_KEPT = 4  # sizes for which sessions are kept


class CompiledNet(Net):
    """A network for which a runtime computes `forward`, one picture of a batch after the other.

    Where the network can be exported for any size, that is done once; otherwise for each size that is restored.

    Args:
        net: the same network in torch, on the processor.
        setup: names the runtime, its precision and threads.
        sha256: of the weights, under which what is exported is kept.
    """

    def __init__(self, net: Net, *, setup: Setup, sha256: str) -> None:
        super().__init__()
        if setup.runtime not in ("onnx", "openvino"):
            raise InputError(f"`{setup.runtime}` is no runtime for exported networks")
        self.net, self._setup = net.eval(), setup
        for name in ("size_multiple", "size_minimum", "size_square", "num_frames", "receptive_radius", "global_context"):
            setattr(self, name, getattr(net, name))
        for name in ("preferred_tile", "scale_step", "precisions", "memory_format"):
            setattr(self, name, getattr(net, name))
        self._known = {"network": hashlib.sha256(f"{sha256} {net!r}".encode()).hexdigest()}
        self._sessions: dict[Size | None, OnnxSession | OpenVinoSession] = {}

    @property
    def in_torch(self) -> Net:
        return self.net

    @property
    def tile_multiple(self) -> int:
        return self.net.tile_multiple

    def fit_size(self, height: int, width: int) -> tuple[int, int]:
        return self.net.fit_size(height, width)

    def forward(self, blurry: Tensor) -> Tensor:
        session = self._session((blurry.shape[-2], blurry.shape[-1]))
        return torch.cat([session(each[None].float()) for each in blurry])  # (B, 3, H, W)

    def _session(self, size: Size) -> OnnxSession | OpenVinoSession:
        key = None if self._takes_any_size() else size
        if key not in self._sessions:
            if len(self._sessions) == _KEPT:
                del self._sessions[next(iter(self._sessions))]
            precision: Any = self._setup.precision
            runtime: Any = self._setup.runtime
            self._sessions[key] = open_session(self._file(key), runtime=runtime, threads=self._setup.threads.most, precision=precision)
        return self._sessions[key]

    def _takes_any_size(self) -> bool:
        def exported() -> bool:
            try:
                self._file(None)
            except UnsupportedError:
                return False
            return True

        return measured_once("exports-any-size", exported, kind=bool, known=self._known)

    def _file(self, size: Size | None) -> Path:
        """The exported network, from an earlier run if there is one."""
        key = f"{self._known['network']} {unblur.__version__} {torch.__version__}"
        name = f"{hashlib.sha256(key.encode()).hexdigest()[:16]}-{'any' if size is None else f'{size[0]}x{size[1]}'}.onnx"
        path = user_folder("cache", variable=CACHE_VARIABLE) / "exports" / name
        if not path.exists():
            model = to_onnx(self.net, size=size)
            with written_whole(path, overwrite=True) as partial:
                partial.write_bytes(model.SerializeToString())
        return path

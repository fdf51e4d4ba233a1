"""Whether torch computes with values, or looks at what is done in order to compile, export or count it."""

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

__all__ = ["is_traced"]


def is_traced(tensor: Tensor) -> bool:
    """Whether torch compiles, exports, traces, or counts without values: there is nothing to decide by, and kernels that it cannot look into are in the way."""
    return (
        isinstance(tensor, FakeTensor) or torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    )

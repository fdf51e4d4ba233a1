"""Whether torch computes a network, or looks at what it does in order to compile or export it."""

import torch

__all__ = ["is_traced"]


def is_traced() -> bool:
    """Whether torch compiles, exports or traces: then there are no values to decide by, and kernels that it cannot look into are in the way."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]

"""Shape checks whose messages name the tensor, what was expected and what came."""

from torch import Tensor

from unblur.errors import ShapeError

__all__ = ["check_multiple", "check_shape"]


def check_shape(tensor: Tensor, expected: tuple[int | str, ...], *, name: str) -> None:
    """Raise unless `tensor` has the dimensions in `expected`.

    Args:
        tensor: what to check.
        expected: one entry a dimension: a number that must match, or a letter that stands for any size.
        name: how the tensor is called in the message.

    Raises:
        ShapeError: if the number of dimensions or a fixed size differs.

    Example:
        >>> import torch
        >>> check_shape(torch.zeros(1, 3, 8, 8), ("B", 3, "H", "W"), name="blurry")
    """
    shape = tuple(tensor.shape)
    fits = len(shape) == len(expected) and all(isinstance(e, str) or e == s for e, s in zip(expected, shape, strict=True))
    if not fits:
        wanted = ", ".join(str(e) for e in expected)
        raise ShapeError(f"{name} must have shape ({wanted}), got {shape}")


def check_multiple(tensor: Tensor, multiple: int, *, name: str) -> None:
    """Raise unless height and width (the last two dimensions) are multiples of `multiple`.

    Raises:
        ShapeError: if either is not; `unblur.restore` pads to the multiple before it calls a network.
    """
    height, width = tensor.shape[-2:]
    if height % multiple or width % multiple or not height or not width:
        raise ShapeError(
            f"{name} must have height and width that are multiples of {multiple}, got {height}x{width}; pad it, or use `unblur.load(...)`, which does"
        )

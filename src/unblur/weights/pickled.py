"""Checkpoints as torch saves them, read by its safe loader: tensors and plain containers, and nothing that could run code."""

import pickle
import warnings
from pathlib import Path

from unblur.errors import WeightsError

__all__ = ["read_pickle"]


def read_pickle(path: Path) -> object:
    """What a checkpoint holds, on the processor.

    Raises:
        WeightsError: if the file is missing or damaged, or holds more than tensors, numbers, text and containers of them.
    """
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old pickle protocols: what cannot be read raises
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"there is no file `{path}`") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(f"`{path}` is damaged or holds more than tensors, which could run code when read; it was not opened") from error
    except RuntimeError as error:
        if "TorchScript" in str(error):  # torch's own message goes on to advise unsafe loading
            raise WeightsError(f"`{path}` is a TorchScript archive, which holds code; take the file of the state dict instead") from error
        raise WeightsError(f"`{path}` cannot be read as a checkpoint: {error}") from error
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise WeightsError(f"`{path}` cannot be read as a checkpoint: {error}") from error

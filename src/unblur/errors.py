"""Everything that `unblur` raises on purpose.

    UnblurError
    ├── InputError            a file or value given by the user cannot be used
    │   ├── UnreadableError       not a picture or clip, empty, or broken off
    │   └── UnsupportedError      understood, but not something this version can do
    ├── OutputError           the result cannot be written (exists, no folder, disk full)
    │   └── VerifyError           what was written does not match what was read
    ├── WeightsError          weights are missing, damaged, unsafe, or of another network
    ├── DeviceError           the device or precision asked for is not there
    └── ShapeError            a tensor has a shape that an operator or network cannot take

The message of each says what is wrong and what to do about it; the command line prints it as it is.
"""

__all__ = [
    "DeviceError",
    "InputError",
    "OutputError",
    "ShapeError",
    "UnblurError",
    "UnreadableError",
    "UnsupportedError",
    "VerifyError",
    "WeightsError",
]


class UnblurError(Exception):
    """Base of every error that `unblur` raises on purpose."""


class InputError(UnblurError, ValueError):
    """A file or value given by the user cannot be used."""


class UnreadableError(InputError):
    """A file is not a picture or clip, is empty, or is broken off."""


class UnsupportedError(InputError):
    """A file is understood, but holds something that this version cannot process."""


class OutputError(UnblurError, OSError):
    """The result cannot be written: it exists already, the folder refuses it, or the disk is full."""


class VerifyError(OutputError):
    """What was written, read again, does not match what was read; the output was discarded."""


class WeightsError(UnblurError):
    """Weights are missing, damaged, unsafe to load, or belong to another network."""


class DeviceError(UnblurError):
    """The device or precision asked for is not available on this machine."""


class ShapeError(UnblurError, ValueError):
    """A tensor has a shape that an operator or network cannot take."""

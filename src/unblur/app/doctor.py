"""`unblur doctor`: what this machine has, whether it computes rightly, and what to do if not."""

import importlib
import importlib.util
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import unblur
from unblur.errors import UnblurError

__all__ = ["Finding", "examine"]


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `good`, a `note` that costs something but stops nothing, or `bad`."""

    subject: str
    verdict: Literal["good", "note", "bad"]
    text: str


def examine() -> list[Finding]:
    """Look at everything; a check that breaks is itself a finding."""
    findings = [Finding("unblur", "good", f"{unblur.__version__} on Python {platform.python_version()}, {platform.platform()}")]
    checks: list[Callable[[], Iterator[Finding]]] = [_packages, _torchvision, _devices, _memory, _weights, _peers, _codecs]
    for check in checks:
        try:
            findings.extend(check())
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the machine is what the user wants to know
            findings.append(Finding(check.__name__.strip("_"), "bad", f"{type(error).__name__}: {error}"))
    return findings


def _packages() -> Iterator[Finding]:
    for name in ("torch", "numpy", "av", "opencv-python-headless", "pillow", "safetensors"):
        try:
            yield Finding(name, "good", version(name))
        except PackageNotFoundError:
            yield Finding(name, "bad", f"not installed; run `pip install {name}`")


def _torchvision() -> Iterator[Finding]:
    """`unblur` does not need it, but a build that does not match torch breaks every package that imports it."""
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except Exception as error:  # noqa: BLE001 - a mismatch raises RuntimeError, not ImportError
        text = (
            f"installed, but does not match torch ({error}); `unblur` itself does not use it, but `--weights` and other packages may fail: "
            "install a build that matches, or run `pip uninstall torchvision`"
        )
        yield Finding("torchvision", "note", text)


def _devices() -> Iterator[Finding]:
    import torch

    from unblur.layers.int8 import supports_int8
    from unblur.restore.precision import choose_device, fast_precision

    yield Finding("processor", "good", f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    if torch.cuda.is_available():
        yield Finding("cuda", "good", f"{torch.cuda.get_device_name()}, {torch.cuda.mem_get_info()[0] / 2**30:.1f} GiB free")
    if torch.backends.mps.is_available():
        yield Finding("mps", "good", "Apple GPU")
    device = choose_device("auto")
    if fast_precision(device) != torch.float32:
        yield Finding("precision", "good", f"{device}: bf16 is multiplied in hardware, faster than fp32")
    elif device.type == "cpu" and supports_int8():
        yield Finding("precision", "good", f"{device}: no fast bf16 here; residual blocks are computed in 8-bit integers, the rest in fp32")
    else:
        text = "no fast bf16 here: fp32 is used, which takes two to ten times as long"
        yield Finding("precision", "note", f"{device}: {text}")


def _memory() -> Iterator[Finding]:
    import torch

    from unblur.restore.memory import free_bytes, keep_freed_memory

    free = free_bytes(torch.device("cpu")) / 2**30
    yield Finding("memory", "good" if free > 1.5 else "note", f"{free:.1f} GiB free")
    if not keep_freed_memory():
        text = "the C library gives memory back after each frame, which costs time; on Linux, glibc does not"
        yield Finding("memory", "note", text)


def _weights() -> Iterator[Finding]:
    from unblur.weights import card_of, load_tensors, names

    if not names():
        yield Finding("weights", "bad", "no built-in weights; the installation is incomplete: install `unblur` again")
    for name in names():
        try:
            if card_of(name).kind == "flow":  # it restores nothing by itself
                load_tensors(name)
                yield Finding(f"weights {name}", "good", "loads, sha256 right")
                continue
            deblurrer = unblur.load(name)
            note = deblurrer.setup.note
            text = f"loads, sha256 right, self-test passed in {deblurrer.setup.precision} on {deblurrer.setup.device}"
            yield Finding(f"weights {name}", "note" if note else "good", note or text)
        except UnblurError as error:
            yield Finding(f"weights {name}", "bad", str(error))


def _peers() -> Iterator[Finding]:
    """Whether checkpoints of other networks can be read; nothing else needs what reads them."""
    from unblur.weights.foreign import known_architectures

    try:
        yield Finding("third-party networks", "good", f"`--weights` recognises {len(known_architectures())} architectures")
    except UnblurError as error:
        yield Finding("third-party networks", "note", f"only `--weights` needs it: {error}")


def _codecs() -> Iterator[Finding]:
    import av
    from av.codec import Codec

    from unblur.io.external_encoder import HOW_TO_KEEP, deep_vp9

    for name, needed in (("libx264", True), ("libx265", False), ("libvpx-vp9", False), ("libsvtav1", False), ("prores_ks", False)):
        try:
            Codec(name, "w")
        except (ValueError, av.error.FFmpegError):
            verdict: Literal["bad", "note"] = "bad" if needed else "note"
            yield Finding(f"encoder {name}", verdict, "missing from PyAV; install PyAV from PyPI: `pip install --force-reinstall av`")
        else:
            yield Finding(f"encoder {name}", "good", "there")
    executable = deep_vp9()
    if executable is not None:
        yield Finding("VP9 of 10 and 12 bit", "good", f"written by `{executable.path}`")
    else:
        yield Finding("VP9 of 10 and 12 bit", "note", f"written in another codec, unless PyAV has an encoder of its own; {HOW_TO_KEEP}")

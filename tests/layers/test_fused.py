"""When the kernels of deformable sampling are used, and that what is built around them is right, whatever computes in their place."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch.nn.functional import conv2d

from unblur.layers import deform, fused
from unblur.layers.deform import deform_sample
from unblur.layers.sampling import bilinear_read


def read_by_torch(feat, offset, *, kernel=(3, 3), mask=None):
    """What the kernels compute: (B * H * W, K * C)."""
    _, _, height, width = feat.shape
    read = []
    for tap in range(kernel[0] * kernel[1]):
        y = offset[:, 2 * tap].float() + torch.arange(height)[:, None] + tap // kernel[1] - kernel[0] // 2
        x = offset[:, 2 * tap + 1].float() + torch.arange(width) + tap % kernel[1] - kernel[1] // 2
        values = bilinear_read(feat.float(), y, x)
        values = values if mask is None else values * bilinear_read(mask.float(), y, x)
        read.append(values.permute(0, 2, 3, 1).flatten(0, 2))
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else feat.dtype
    return torch.cat(read, dim=1).to(dtype)


def example(*, channels=5, out_channels=4, kernel=(3, 3), size=(6, 7), batch=2, dtype=torch.float32):
    generator = torch.Generator().manual_seed(channels + kernel[0])
    feat = torch.randn(batch, channels, *size, generator=generator).to(dtype)
    offset = torch.randn(batch, 2 * kernel[0] * kernel[1], *size, generator=generator) * 2
    weight = torch.randn(out_channels, channels, *kernel, generator=generator).to(dtype)
    mask = torch.rand(batch, 1, *size, generator=generator)
    return feat, offset, weight, mask


class StandIn(ModuleType):
    """The module of the kernels, in plain torch."""

    def __init__(self):
        super().__init__("unblur.layers.fused_kernels")

    def read_taps(self, feat, offset, mask, *, kernel, dtype):
        assert feat.is_contiguous()
        assert offset.is_contiguous()
        with torch.autocast("cpu", enabled=False):
            return read_by_torch(feat.permute(0, 3, 1, 2), offset, kernel=kernel, mask=mask).to(dtype)

    def scatter_taps(self, grad, feat, offset, mask, *, kernel):
        inputs = [tensor.float().requires_grad_() for tensor in (feat, offset, mask) if tensor is not None]
        with torch.enable_grad():
            read = read_by_torch(inputs[0].permute(0, 3, 1, 2), inputs[1], kernel=kernel, mask=inputs[2] if len(inputs) > 2 else None)
            found = torch.autograd.grad(read, inputs, grad.float())
        return (*found, None)[:3]


@pytest.fixture
def chosen(monkeypatch):
    """As on a GPU where the kernels work."""
    monkeypatch.setitem(sys.modules, "unblur.layers.fused_kernels", StandIn())
    monkeypatch.setattr("unblur.layers.fused_kernels", sys.modules["unblur.layers.fused_kernels"], raising=False)
    monkeypatch.setattr(deform, "is_chosen", lambda *_: True)


def on(device, dtype=torch.float32):
    return SimpleNamespace(device=torch.device(device), dtype=dtype)


@pytest.fixture
def working(monkeypatch):
    monkeypatch.setattr(fused, "_work_on", lambda _: True)


@pytest.mark.usefixtures("working")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_chosen_on_cuda_alone(dtype):
    assert fused.is_chosen(on("cuda", dtype), on("cuda"), None)
    assert not fused.is_chosen(on("cpu", dtype), on("cpu"), None)
    assert not fused.is_chosen(on("mps", dtype), on("mps"), None)


@pytest.mark.usefixtures("working")
def test_not_chosen_in_double_precision():
    assert not fused.is_chosen(on("cuda", torch.float64))
    assert not fused.is_chosen(on("cuda"), on("cuda", torch.float64), None)


@pytest.mark.usefixtures("working")
def test_not_chosen_where_torch_looks_into_operations_or_results_must_repeat(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(torch.compiler, "is_compiling", lambda: True)
        assert not fused.is_chosen(on("cuda"))
    with monkeypatch.context() as patched:
        patched.setattr(torch.jit, "is_tracing", lambda: True)
        assert not fused.is_chosen(on("cuda"))
    with monkeypatch.context() as patched:
        patched.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
        assert not fused.is_chosen(on("cuda"))
    assert fused.is_chosen(on("cuda"))


def test_not_chosen_where_the_kernels_do_not_work(monkeypatch):
    asked = []
    monkeypatch.setattr(fused, "_work_on", asked.append)
    assert not fused.is_chosen(on("cuda:1"))
    assert asked == [torch.device("cuda:1")]


def trial(device="cpu"):
    return fused._work_on.__wrapped__(torch.device(device))


def test_without_triton_they_do_not_work_and_nothing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    assert trial() is False


def test_the_trial_compares_values_and_derivatives(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", ModuleType("triton"))
    monkeypatch.setattr(fused, "read_taps", read_by_torch)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):  # in which it may be met for the first time
        assert trial() is True
    monkeypatch.setattr(fused, "read_taps", lambda *args, **named: read_by_torch(*args, **named) + 1e-3)
    with pytest.warns(UserWarning, match="differ by 0.001.*plain operations are used"):
        assert trial() is False
    wrong_by_offset = lambda feat, offset, **named: read_by_torch(feat, offset.detach() + 0 * offset, **named)  # noqa: E731
    monkeypatch.setattr(fused, "read_taps", wrong_by_offset)
    with pytest.warns(UserWarning, match="differ by"):
        assert trial() is False


def test_a_kernel_that_cannot_be_built_is_told_and_not_used(monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setitem(sys.modules, "triton", ModuleType("triton"))
    monkeypatch.setattr(fused, "read_taps", fails)
    with pytest.warns(UserWarning, match="on `cpu`.*RuntimeError: Failed to find C compiler"):
        assert trial() is False


@pytest.mark.usefixtures("chosen")
@pytest.mark.parametrize("kernel", [(3, 3), (1, 1), (1, 3), (5, 3)])
@pytest.mark.parametrize("masked", [False, True])
def test_what_is_chosen_gives_what_plain_operations_give(kernel, masked, monkeypatch):
    feat, offset, weight, mask = (tensor.requires_grad_() for tensor in example(kernel=kernel))
    inputs = [feat, offset, weight, *([mask] if masked else [])]
    results = []
    for use in (True, False):
        monkeypatch.setattr(deform, "is_chosen", lambda *_, use=use: use)
        sampled = deform_sample(feat, offset, weight, mask=mask if masked else None)
        results.append((sampled, *torch.autograd.grad(sampled.square().sum(), inputs)))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=2e-4, rtol=2e-4)


def test_the_choice_is_asked_for_all_inputs(monkeypatch):
    seen = []
    monkeypatch.setattr(deform, "is_chosen", lambda *tensors: bool(seen.append(tensors)))
    feat, offset, weight, mask = example()
    deform_sample(feat, offset, weight, mask=mask)
    assert seen[0] == (feat, offset, weight, mask)


@pytest.mark.usefixtures("chosen")
def test_precisions_are_those_of_plain_operations():
    feat, offset, weight, mask = example(dtype=torch.bfloat16, channels=8)
    offset, mask = offset.requires_grad_(), mask.bfloat16().requires_grad_()
    feat = feat.requires_grad_()
    sampled = deform_sample(feat, offset, weight, mask=mask)
    assert sampled.dtype == torch.bfloat16
    sampled.float().sum().backward()
    assert (feat.grad.dtype, offset.grad.dtype, mask.grad.dtype) == (torch.bfloat16, torch.float32, torch.bfloat16)
    assert feat.grad.shape == feat.shape


@pytest.mark.usefixtures("chosen")
def test_under_autocast_the_product_is_in_its_precision_and_positions_are_not():
    feat, offset, weight, _ = example(channels=8, size=(4, 300))
    offset = offset * 60
    expected = deform_sample(feat, offset, weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert fused.read_taps(feat, offset, kernel=(3, 3)).dtype == torch.bfloat16
        sampled = deform_sample(feat, offset, weight)
    assert sampled.dtype == torch.float32
    difference = (sampled - expected).square().mean().sqrt() / expected.square().mean().sqrt()
    assert 2**-14 < difference < 2**-7


@pytest.mark.usefixtures("chosen")
def test_without_offset_it_is_a_convolution():
    feat, offset, weight, mask = example(size=(7, 9))
    sampled = deform_sample(feat.contiguous(memory_format=torch.channels_last), 0 * offset, weight, mask=torch.ones_like(mask))
    torch.testing.assert_close(sampled, conv2d(feat, weight, padding=1), atol=1e-4, rtol=1e-4)

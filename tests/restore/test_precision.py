import pytest
import torch
from nets import CPU, Folded, Hungry, Identity, tiny_swift
from torch import Tensor, nn

from unblur.errors import DeviceError
from unblur.layers.blocks import ResBlock
from unblur.layers.int8 import suits_int8, supports_int8
from unblur.models import swift
from unblur.restore import precision
from unblur.restore.precision import Setup, choose_device, fast_precision, self_test, set_up

BF16 = Setup(CPU, torch.bfloat16)
needs_int8 = pytest.mark.skipif(not supports_int8(), reason="this processor has no fast arithmetic of 8-bit integers")


class Noting(Identity):
    """A convolution that notes the types of what goes in and comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 1)
        self.types: list[torch.dtype] = []

    def change(self, blurry: Tensor) -> Tensor:
        feat = self.convolution(blurry)
        self.types += [blurry.dtype, feat.dtype]
        return blurry + 0 * feat


class Coarse(Identity):
    """Loses in bf16: what it computes is the difference of two large numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 1, bias=False)
        self.convolution.weight.data = 1000 * torch.eye(3)[..., None, None]

    def change(self, blurry: Tensor) -> Tensor:
        return blurry + self.convolution(blurry).float() - 1000 * blurry


class Overflowing(Identity):
    """Gives no number in bf16."""

    def change(self, blurry: Tensor) -> Tensor:
        return blurry / (0.0 if torch.is_autocast_enabled("cpu") else 1.0)


class Unfinished(Identity):
    """Has an operation that does not exist in bf16."""

    text = "\"grid_sampler_2d_cpu\" not implemented for 'BFloat16'"

    def change(self, blurry: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError(self.text)
        return blurry


@pytest.fixture
def has_bf16(monkeypatch):
    monkeypatch.setattr(precision, "_cpu_multiplies_bf16", lambda: True)
    monkeypatch.setattr(precision, "_cpu_gains_by_bf16", lambda: True)


def hardware(
    monkeypatch,
    *,
    amx: bool = False,
    avx512: bool = False,
    capability: str = "AVX2",
    x86: bool = True,
    arm: bool = False,
    vnni: bool = False,
    gains: bool = True,
):
    monkeypatch.setattr(precision, "_cpu_gains_by_bf16", lambda: gains)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_vnni": vnni}, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512, raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr("platform.machine", lambda: "x86_64" if x86 else "aarch64")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: arm, raising=False)


@pytest.mark.parametrize(
    ("parts", "fast"),
    [
        ({"amx": True}, torch.bfloat16),
        ({"avx512": True}, torch.bfloat16),
        ({"avx512": True, "gains": False}, torch.float32),
        ({}, torch.float32),
        ({"arm": True}, torch.float32),  # oneDNN can, but by emulation: an x86 processor without the instructions
        ({"x86": False, "capability": "DEFAULT", "arm": True}, torch.bfloat16),
        ({"x86": False, "capability": "SVE256", "arm": True}, torch.bfloat16),
        ({"x86": False, "capability": "DEFAULT"}, torch.float32),
    ],
)
def test_bf16_is_the_default_only_where_the_hardware_has_it(monkeypatch, parts, fast):
    hardware(monkeypatch, **parts)
    assert fast_precision(CPU) == fast
    assert set_up(Folded(2), device="cpu").dtype == fast


@pytest.mark.parametrize(("fp32", "bf16", "gains"), [(2.0, 1.0, True), (1.0, 2.0, False), (1.1, 1.0, False)])
def test_bf16_must_be_faster_and_not_only_there(monkeypatch, tmp_path, fp32, bf16, gains):
    monkeypatch.setenv("UNBLUR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(precision, "_seconds_of_convolution", {torch.float32: fp32, torch.bfloat16: bf16}.get)
    precision._cpu_gains_by_bf16.cache_clear()
    try:
        assert precision._cpu_gains_by_bf16() is gains
    finally:
        precision._cpu_gains_by_bf16.cache_clear()


def test_a_convolution_takes_time_in_either_precision():
    assert all(precision._seconds_of_convolution(dtype) > 0 for dtype in (torch.float32, torch.bfloat16))


def test_a_torch_that_cannot_be_asked_says_no(monkeypatch):
    hardware(monkeypatch)
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert fast_precision(CPU) == torch.float32


@pytest.mark.parametrize(("supported", "fast"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_gpu_is_asked_without_emulation(monkeypatch, supported, fast):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: supported or including_emulation)
    assert fast_precision(torch.device("cuda")) == fast
    assert fast_precision(torch.device("mps")) == torch.float32


def test_pictures_stay_in_fp32_and_convolutions_do_not():
    for dtype in (torch.bfloat16, torch.float32):
        net = Noting()
        assert Setup(CPU, dtype).run(net, torch.rand(1, 3, 8, 8)).dtype == torch.float32
        assert net.types == [torch.float32, dtype]


def test_coordinates_stay_in_fp32(monkeypatch):
    seen = []
    sample_along = swift.sample_along

    def spy(picture: Tensor, blur_field: Tensor, *, positions: tuple[float, ...]) -> Tensor:
        views = sample_along(picture, blur_field, positions=positions)
        seen.extend([picture.dtype, blur_field.dtype, views.dtype])
        return views

    monkeypatch.setattr(swift, "sample_along", spy)
    restored = BF16.run(tiny_swift(), torch.rand(1, 3, 16, 16))
    assert seen == [torch.float32] * 3
    assert restored.dtype == torch.float32


def test_fp32_holds_inside_another_autocast():
    net = Noting()
    with torch.autocast("cpu", torch.bfloat16):
        Setup(CPU, torch.float32).run(net, torch.rand(1, 3, 8, 8))
    assert net.types == [torch.float32, torch.float32]


def test_nothing_is_recorded_for_gradients():
    assert not Setup(CPU, torch.float32).run(Folded(2), torch.rand(1, 3, 8, 8)).requires_grad


@pytest.mark.usefixtures("has_bf16")
def test_a_healthy_network_passes():
    net = tiny_swift().train()
    setup = set_up(net, device="cpu")
    assert (setup.dtype, setup.precision, setup.note) == (torch.bfloat16, "bf16", "")
    assert not net.training
    assert 40 < self_test(net, BF16) < 120
    assert self_test(net, Setup(CPU, torch.float32)) == pytest.approx(120)  # the same twice


@pytest.mark.parametrize(("net", "words"), [(Coarse, "agrees with fp32 to"), (Overflowing, "no usable numbers"), (Unfinished, "no usable")])
@pytest.mark.usefixtures("has_bf16")
def test_bf16_that_fails_the_test_is_given_up(net, words):
    setup = set_up(net(), device="cpu")
    assert setup.dtype == torch.float32
    assert setup.note.startswith("bf16")
    assert words in setup.note
    with pytest.raises(DeviceError, match=rf"{words}.*--precision fp32"):
        set_up(net(), device="cpu", precision="bf16")
    assert set_up(net(), device="cpu", precision="fp32").note == ""


def test_lack_of_memory_is_no_verdict_on_a_precision(monkeypatch):
    monkeypatch.setattr(Unfinished, "text", "DefaultCPUAllocator: can't allocate memory")
    with pytest.raises(RuntimeError, match="allocate"):
        set_up(Unfinished(), device="cpu", precision="bf16")


def test_an_explicit_precision_is_taken(monkeypatch):
    hardware(monkeypatch)
    assert set_up(Folded(2), device="cpu", precision="bf16").dtype == torch.bfloat16


class Blocks(Identity):
    """Has the residual blocks that are computed in integers."""

    def __init__(self, *, size: float = 0.1) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.entry, self.block, self.exit = (
            nn.Conv2d(3, 32, 3, padding=1),
            ResBlock(width=32, kernel_size=3),
            nn.Conv2d(32, 3, 3, padding=1),
        )
        for parameter in self.parameters():
            parameter.data = size * torch.randn(parameter.shape, generator=generator)

    def change(self, blurry: Tensor) -> Tensor:
        return blurry + self.exit(self.block(self.entry(blurry - 0.5)))


@needs_int8
@pytest.mark.parametrize(("avx512", "precision"), [(False, "int8"), (True, "bf16")])
def test_integers_are_the_default_where_bf16_is_not_to_be_had(monkeypatch, avx512, precision):
    hardware(monkeypatch, avx512=avx512, vnni=True)
    net = Blocks()
    picture = torch.rand(1, 3, 48, 32, generator=torch.Generator().manual_seed(1))
    exact = Setup(CPU, torch.float32).run(net, picture)
    setup = set_up(net, device="cpu")
    assert (setup.precision, setup.note) == (precision, "")
    assert suits_int8(net) == (precision == "bf16")  # else they are integers already
    assert setup.run(net, picture).dtype == torch.float32
    assert 40 < -10 * torch.log10((setup.run(net, picture) - exact).square().mean()) < 100
    exact_again = set_up(net, device="cpu", precision="fp32").run(net, picture)
    torch.testing.assert_close(exact_again, exact, rtol=0, atol=1e-5)


@needs_int8
def test_integers_beside_bf16_on_request(monkeypatch):
    hardware(monkeypatch, avx512=True, vnni=True)
    setup = set_up(Blocks(), device="cpu", precision="int8", self_ensemble=2)
    assert (setup.precision, setup.dtype, setup.self_ensemble) == ("int8", torch.bfloat16, 2)


@needs_int8
def test_integers_that_fail_the_test_are_given_up(monkeypatch):
    hardware(monkeypatch, vnni=True)
    net = Blocks(size=1.0)  # makes 255 levels of a thousand
    setup = set_up(net, device="cpu")
    assert setup.precision == "fp32"
    assert "int8 agrees with fp32 to" in setup.note
    assert suits_int8(net)
    with pytest.raises(DeviceError, match=r"int8 agrees.*--precision fp32"):
        set_up(net, device="cpu", precision="int8")


@pytest.mark.parametrize(
    ("net", "vnni", "words"), [(Blocks, False, "x86 with VNNI"), (lambda: Folded(2), True, "no residual blocks of 32 features")]
)
def test_integers_that_are_not_to_be_had(monkeypatch, net, vnni, words):
    hardware(monkeypatch, vnni=vnni)
    assert set_up(net(), device="cpu").precision == "fp32"
    with pytest.raises(DeviceError, match=rf"{words}.*--precision auto"):
        set_up(net(), device="cpu", precision="int8")


def test_the_test_tile_fits_the_network():
    net = Identity()
    net.size_multiple = 24
    self_test(net, BF16)
    assert all(side % 24 == 0 and side >= 64 for shape in net.seen for side in shape)


def test_weights_are_laid_out_channels_last():
    net = tiny_swift()
    set_up(net, device="cpu", precision="fp32")
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in net.parameters() if weight.ndim == 4)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"device": "tpu"}, "auto, cpu, cuda, mps"),
        ({"precision": "fp8"}, "fp32, bf16, fp16"),
        ({"device": "cpu", "precision": "fp16"}, "bf16"),
    ],
)
def test_wishes_that_cannot_be_met(wish, words):
    with pytest.raises(DeviceError, match=words):
        set_up(Hungry(9), **wish)


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_devices_are_looked_for(monkeypatch, name):
    for module in (torch.cuda, torch.backends.mps):
        monkeypatch.setattr(module, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    with pytest.raises(DeviceError, match=r"unblur doctor.*--device cpu"):
        choose_device(name)
    monkeypatch.setattr({"cuda": torch.cuda, "mps": torch.backends.mps}[name], "is_available", lambda: True)
    assert choose_device("auto").type == choose_device(name).type == name
    assert choose_device("cpu") == CPU

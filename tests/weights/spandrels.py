"""A stand-in for the library spandrel with three small architectures, for machines that have neither it nor torchvision."""

from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


class UnsupportedModelError(Exception):
    pass


@dataclass
class SizeRequirements:
    minimum: int = 0
    multiple_of: int = 1
    square: bool = False


@dataclass
class FakeDescriptor:
    """What `spandrel.ImageModelDescriptor` has; a picture that does not meet the requirements is an error here, and not padded."""

    model: nn.Module
    name: str = "TinyNet"
    purpose: str = "Restoration"
    scale: int = 1
    input_channels: int = 3
    output_channels: int = 3
    supports_half: bool = False
    supports_bfloat16: bool = True
    size_requirements: SizeRequirements = field(default_factory=SizeRequirements)
    tags: list[str] = field(default_factory=lambda: ["3w"])
    seen: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def architecture(self):
        return SimpleNamespace(id=self.name, name=self.name)

    @torch.inference_mode()
    def __call__(self, image: Tensor) -> Tensor:
        self.seen.append(tuple(image.shape))
        batch, channels, height, width = image.shape
        needs = self.size_requirements
        assert (batch, channels) == (1, self.input_channels)
        assert image.is_contiguous()
        assert min(height, width) >= needs.minimum
        assert height % needs.multiple_of == width % needs.multiple_of == 0
        assert height == width or not needs.square
        return self.model(image).clamp_(0, 1)


class TinyNet(nn.Module):
    """A stride of `fold` pixels and zeros at the border, as in published networks that take any size and pad inside."""

    def __init__(self, fold: int = 16) -> None:
        super().__init__()
        self.fold = fold
        self.down = nn.Conv2d(3, 6, fold, stride=fold)
        self.middle = nn.Conv2d(6, 6, 3, padding=1)
        self.up = nn.ConvTranspose2d(6, 3, fold, stride=fold)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        feat = self.down(pad(image - 0.5, (0, -width % self.fold, 0, -height % self.fold)))
        return image + 0.1 * self.up(self.middle(feat).relu())[..., :height, :width]


def tiny_net(*, fold: int = 16, seed: int = 0) -> TinyNet:
    net = TinyNet(fold)
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter.data = torch.rand(parameter.shape, generator=generator) - 0.5
        parameter.data *= 4 / parameter[0].numel() ** 0.5
    net.up.weight.data -= net.up.weight.data.mean(dim=(2, 3), keepdim=True)  # no drift of the brightness, which the fail-safe would undo
    net.up.bias.data.zero_()
    return net.eval()


class Bigger(nn.Module):
    """Enlarges twice."""

    def __init__(self) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(3, 3, 2, stride=2)

    def forward(self, image: Tensor) -> Tensor:
        return self.enlarge(image)


class Failing(nn.Module):
    """Can be built, but not run."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = nn.Conv2d(5, 5, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.broken(image)


class Registry:
    def __init__(self, builders):
        self.builders = dict(builders)

    def copy(self):
        return Registry(self.builders)

    def add(self, *supports, ignore_duplicates=False):
        assert ignore_duplicates
        self.builders |= {support.architecture.name: support.build for support in supports}

    def __iter__(self):
        return iter([SimpleNamespace(architecture=SimpleNamespace(name=name), build=build) for name, build in self.builders.items()])


def build_tiny(state):
    if "down.weight" not in state:
        return None
    net = TinyNet(state["down.weight"].shape[-1])
    net.load_state_dict(state)  # strictly, as spandrel does
    return FakeDescriptor(net)


def build_bigger(state):
    return FakeDescriptor(Bigger(), name="BiggerNet", purpose="SR", scale=2) if "enlarge.weight" in state else None


def build_failing(state):
    return FakeDescriptor(Failing(), name="FailingNet") if "broken.weight" in state else None


def fake_spandrel() -> ModuleType:
    class ModelLoader:
        def __init__(self, *, device, registry):
            assert device == "cpu"
            self.registry = registry

        def load_from_state_dict(self, state):
            state = state.get("params", state)
            for support in self.registry:
                if (descriptor := support.build(state)) is not None:
                    return descriptor
            raise UnsupportedModelError

    module = ModuleType("spandrel")
    module.__version__ = "0.4.9"
    module.MAIN_REGISTRY = Registry({"TinyNet": build_tiny, "BiggerNet": build_bigger, "FailingNet": build_failing})
    module.ModelLoader = ModelLoader
    module.UnsupportedModelError = UnsupportedModelError
    return module

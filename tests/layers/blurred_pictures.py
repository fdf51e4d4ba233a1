"""Pictures that are blurred with known kernels."""

import torch

from unblur.layers.kernels import kernel_spectrum


def leaves(*, count: int = 1, height: int = 128, width: int = 128, seed: int = 0):
    """Linear light, (count, height, width): discs of even grey that cover each other, as things in a picture do."""
    generator = torch.Generator().manual_seed(seed)
    down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pictures = torch.full((count, height, width), 0.5)
    for picture in pictures:
        for _ in range(150):
            y, x, radius, grey = torch.rand(4, generator=generator).tolist()
            picture[(down - y * height) ** 2 + (across - x * width) ** 2 < (3 + 17 * radius**3) ** 2] = grey
    return pictures


def drawn(places, *, size=31):
    kernel = torch.zeros(1, size, size)
    for x, y in places:
        kernel[0, size // 2 + y, size // 2 + x] += 1
    return kernel / kernel.sum()


CURVE = drawn([*((x, 0) for x in range(-7, 1)), *((0, y) for y in range(1, 7))])
LINE = drawn([(x, x // 2) for x in range(-5, 6)])


def blurred(light, kernel):
    return torch.fft.irfft2(torch.fft.rfft2(light) * kernel_spectrum(kernel, light.shape[-2:]), s=light.shape[-2:])

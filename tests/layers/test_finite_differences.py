import torch

from unblur.layers.finite_differences import divergence, forward_difference, laplacian_spectrum
from unblur.layers.kernels import power_spectrum


def pictures(*shape):
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_by_hand():
    picture = torch.tensor([[1.0, 4.0, 9.0], [0.0, 0.0, 2.0]])
    assert forward_difference(picture, -1).tolist() == [[3.0, 5.0, -8.0], [0.0, 2.0, -2.0]]
    assert forward_difference(picture, -2).tolist() == [[-1.0, -4.0, -7.0], [1.0, 4.0, 7.0]]


def test_divergence_is_the_adjoint_of_both_differences():
    picture, right, below = pictures(3, 2, 7, 10).unbind(0)
    forward = (forward_difference(picture, -1) * right).sum() + (forward_difference(picture, -2) * below).sum()
    torch.testing.assert_close(forward, (picture * divergence(right, below)).sum())


def test_spectrum_is_the_power_of_both_differences():
    for shape in ((7, 10), (8, 9)):
        impulse = torch.zeros(shape)
        impulse[0, 0] = 1
        power = sum(power_spectrum(torch.fft.rfft2(forward_difference(impulse, axis))) for axis in (-1, -2))
        torch.testing.assert_close(laplacian_spectrum(shape, like=impulse), power, rtol=1e-5, atol=1e-5)

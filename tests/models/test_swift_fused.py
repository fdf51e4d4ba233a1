"""`swift_fused` adds the changes of its two networks, each as its gate says."""

import pytest
import torch
from small import SMALL as SMALL_OF
from small import all_agreed

from unblur.errors import InputError, ShapeError
from unblur.layers.gate import power_gates
from unblur.layers.light import luma
from unblur.models.swift_fused import TOTAL, SwiftFused, swift_fused

SMALL = SMALL_OF["swift_fused"]


def fused():
    torch.manual_seed(1)
    net = swift_fused(**SMALL).eval()
    for parameter in net.swift_best.restoration.exit.parameters():  # its change is nought before training
        torch.nn.init.normal_(parameter, std=0.01)
    net.correlation = all_agreed
    return with_blur(net, 8.0)


def with_blur(net, length):
    """The network with a motion network that finds a horizontal blur of this length everywhere."""
    net.swift_best.blur_field = lambda blurry: (
        blurry.new_tensor([length, 0, length]).view(1, 3, 1, 1).expand(blurry.shape[0], -1, blurry.shape[2] // 4, blurry.shape[3] // 4)
    )
    return net


def with_gates(net, *gates):
    """The network with gates that are these everywhere."""
    net.gates = lambda changes: changes.new_tensor(gates).view(1, -1, 1, 1).expand(-1, -1, *changes.shape[3:])
    return net


@pytest.fixture(scope="module")
def blurry():
    return torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def test_gates_weigh_the_changes(blurry):
    net = fused()
    first, second = net.maxim(blurry) - blurry, net.swift_best(blurry) - blurry
    assert first.abs().mean() > 1e-3
    assert second.abs().mean() > 1e-3
    torch.testing.assert_close(with_gates(net, 0.25, 0.5)(blurry), blurry + first / 4 + second / 2)


@torch.no_grad()
def test_gates_of_nought_leave_the_picture(blurry):
    torch.testing.assert_close(with_gates(fused(), 0.0, 0.0)(blurry), blurry)


@torch.no_grad()
def test_gates_are_half_of_the_first_and_half_by_power(blurry):
    net = fused()
    changes = net.changes(blurry, net.swift_best.blur_field(blurry))
    change_luma = luma(changes[0]).transpose(0, 1)  # (1, 2, H, W)
    by_power = power_gates(change_luma, total=TOTAL)
    torch.testing.assert_close(net.gates(changes)[:, 1], by_power[:, 1] / 2)
    torch.testing.assert_close(net.gates(changes)[:, 0], (by_power[:, 0] + TOTAL) / 2)
    torch.testing.assert_close(net(blurry), net.fuse(blurry, changes, net.gates(changes)))


@torch.no_grad()
def test_what_is_not_blurred_by_motion_stays(blurry):
    net = fused()
    changes, all_of_it = net.changes(blurry, net.swift_best.blur_field(blurry)), net(blurry) - blurry
    net.changes = lambda *_: changes
    for length, share in ((0.4, 0.0), (1.0, 0.0), (1.25, 0.25), (2.0, 1.0)):
        torch.testing.assert_close(with_blur(net, length)(blurry) - blurry, share * all_of_it, atol=1e-6, rtol=1e-4)


@torch.no_grad()
def test_a_picture_without_motion_blur_is_not_restored_in_vain(blurry):
    net, exported = with_blur(fused(), 0.4), with_blur(fused(), 0.4)
    net.changes = None  # would be called in vain
    assert torch.equal(net(blurry), blurry)
    program = torch.export.export(exported, (blurry,)).module()  # which is for other pictures too
    assert sum("convolution" in str(node.target) or "conv2d" in str(node.target) for node in program.graph.nodes) > 10
    torch.testing.assert_close(program(blurry), blurry)


@torch.no_grad()
def test_blurred_is_what_is_long_around_a_place():
    field = torch.zeros(1, 3, 16, 200)
    field[:, 2, :, 100:] = 3.0
    share = fused().blurred(field, size=(64, 800))
    assert share.shape == (1, 1, 64, 800)
    assert share[..., :200].max() == 0
    assert share[..., 600:].min() == 1
    along = share[0, 0, 32]
    assert (along.diff() >= -1e-6).all()
    assert along[400] == pytest.approx(0.5, abs=0.05)  # half of what is around it moves, by 3 pixels


def changes_of(*pair):
    return torch.stack(pair, dim=1)  # (B, 2, 3, H, W)


def noise(seed, *, size=(64, 128)):
    return torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(seed)) / 50


@pytest.mark.parametrize(
    ("both", "correlation"),
    [
        ((noise(1), noise(1)), 1.0),
        ((noise(1), noise(1) * 0.1), 1.0),  # how strong each is makes no difference
        ((noise(1), -noise(1)), -1.0),
        ((noise(1), noise(2)), 0.0),
        ((noise(1), noise(1) + 1.5 * noise(2)), 0.55),
        ((noise(1), torch.zeros(1, 3, 64, 128)), 0.0),
        ((torch.zeros(1, 3, 64, 128), torch.zeros(1, 3, 64, 128)), 0.0),
    ],
)
def test_the_correlation_of_changes(both, correlation):
    found = SwiftFused.correlation(fused(), changes_of(*both))
    assert found.shape == (1, 1, 4, 8)
    torch.testing.assert_close(found, torch.full_like(found, correlation), atol=0.02, rtol=0)


def test_the_correlation_is_that_around_a_place():
    left, right = noise(1, size=(64, 640)), noise(2, size=(64, 640))
    along = SwiftFused.correlation(fused(), changes_of(torch.cat([left, right], dim=3), torch.cat([left, -right], dim=3)))[0, 0, 2]
    assert along[:24].min() > 0.99
    assert along[-24:].max() < -0.99
    assert (along.diff() <= 1e-6).all()


@pytest.mark.parametrize("strength", [0.0, 0.2, -2.0])
def test_the_detail_that_is_added_over_the_detail_that_is_there(strength):
    picture, changes = 0.5 + noise(1), changes_of(strength * noise(1), noise(2))
    ratio = SwiftFused.detail_ratio(fused(), picture, changes)
    assert ratio.shape == (1, 1, 4, 8)
    torch.testing.assert_close(ratio, torch.full_like(ratio, abs(strength)), atol=2e-3, rtol=0)
    torch.testing.assert_close(
        SwiftFused.detail_ratio(fused(), picture + 0.2, changes - 0.1), ratio, atol=1e-3, rtol=0
    )  # light is no detail


def test_detail_is_that_around_a_place():
    picture = 0.5 + noise(1, size=(64, 640))
    stronger = torch.cat([torch.full((1, 1, 64, 320), 0.1), torch.ones(1, 1, 64, 320)], dim=3)
    along = SwiftFused.detail_ratio(fused(), picture, changes_of(stronger * noise(1, size=(64, 640)), noise(2, size=(64, 640))))[0, 0, 2]
    assert (along.diff() >= -1e-2).all()
    assert along[0] < 0.2 < 0.9 < along[-1]


@pytest.mark.parametrize(
    ("correlation", "ratio", "share"),
    [(0.2, 1.0, 0.0), (0.32, 1.0, 0.5), (0.4, 1.0, 1.0), (0.4, 0.28, 0.5), (0.4, 0.2, 0.0), (0.74, 0.2, 0.5), (0.8, 0.2, 1.0)],
)
@torch.no_grad()
def test_restored_is_where_the_networks_agree_and_detail_is_lacking_or_where_they_agree_well(blurry, correlation, ratio, share):
    net = fused()
    changes, all_of_it = net.changes(blurry, net.swift_best.blur_field(blurry)), net(blurry) - blurry
    net.changes = lambda *_: changes
    net.correlation = lambda changes: torch.full_like(changes[:, 0, :1, ::16, ::16], correlation)
    net.detail_ratio = lambda _, changes: torch.full_like(changes[:, 0, :1, ::16, ::16], ratio)
    torch.testing.assert_close(net(blurry) - blurry, share * all_of_it, atol=1e-6, rtol=1e-4)


def test_one_network_learns_what_the_other_does_not_restore(blurry):
    net = fused().train()
    net.requires_grad_(requires_grad=False).maxim.requires_grad_()
    (net(blurry) ** 2).mean().backward()
    assert {name.split(".")[0] for name, parameter in net.named_parameters() if parameter.grad is not None} == {"maxim"}
    assert all(parameter.grad is not None for parameter in net.maxim.parameters())


@torch.no_grad()
def test_diagnostics_are_what_each_restores_and_its_gate(blurry):
    net = with_gates(fused(), 1.0, 0.5)
    motion, restorations, gates, restored = net.diagnostics(blurry)
    assert motion.name == "motion"
    torch.testing.assert_close(restorations.rows[0]["maxim"], net.maxim(blurry).clamp(0, 1))
    torch.testing.assert_close(restorations.rows[0]["swift_best"], net.swift_best(blurry).clamp(0, 1))
    assert gates.value_range == (0.5, 1.0)  # all of it is blurred
    torch.testing.assert_close(restored.rows[0]["restored"], net(blurry))


def test_sizes_fit_both_networks():
    net = fused()
    assert net.size_multiple == 64
    with pytest.raises(ShapeError, match="multiples of 64"):
        net(torch.zeros(1, 3, 64, 96))


def test_only_a_swift_best_of_full_size_is_taken():
    with pytest.raises(ValueError, match="scale of 1"):
        swift_fused(**{**SMALL, "swift_best": {"scale": 0.5}})


def test_what_a_part_does_not_take_is_named():
    with pytest.raises(InputError, match="`maxim` has no argument 'widht'; did you mean 'width'"):
        swift_fused(maxim={"widht": 4})

import cv2
import numpy as np
import pytest
import torch

from unblur.errors import InputError, ShapeError, WeightsError
from unblur.models import create_flow, pwcnet
from unblur.models.flow import ZeroFlow
from unblur.models.pwcnet import NUMERALS, PWCNet, flow_network, rename_published_keys
from unblur.weights import card_of, load_tensors

TINY = {"widths": (4, 6, 8), "decoder_widths": (8, 6), "context_widths": (6, 6, 6, 6, 6, 4), "radius": 2}


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def tiny(**changes):
    torch.manual_seed(0)
    return PWCNet(**{**TINY, **changes})


def pair(height, width, batch=1):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, batch, 3, height, width, generator=generator).unbind()


def test_parameter_counts_are_the_published_ones():
    with torch.device("meta"):
        assert count(PWCNet()) == 9_374_274
        assert count(PWCNet(convs_per_level=2)) == 8_749_214
        small = PWCNet(widths=(16, 24, 32, 48, 64, 96), decoder_widths=(48, 48, 32, 24, 16), context_widths=(48, 48, 48, 32, 24, 16))
        assert count(PWCNet(convs_per_level=2, dense=False)) == 4_080_004  # the paper's PWC-Net-small: 4.08 M
        built_in = PWCNet(
            widths=(16, 32, 48, 64, 96),
            decoder_widths=(64, 64, 48, 32, 32),
            context_widths=(64, 64, 64, 48, 32, 32),
            convs_per_level=2,
            dense=False,
        )
    assert count(built_in) == 1_031_350
    assert count(small) == 2_052_614
    assert small.size_multiple == 64


def test_without_dense_connections_every_convolution_sees_the_one_before():
    dense, plain = tiny(), tiny(dense=False)
    costs = 5 * 5
    assert [conv.in_channels for conv in dense.decoders[1].dense] == [costs, costs + 8]
    assert [conv.in_channels for conv in plain.decoders[1].dense] == [costs, 8]
    assert plain.decoders[0].up_feat.in_channels == 6
    assert plain.context[0].in_channels == 6
    assert dense.receptive_radius == plain.receptive_radius
    flow = plain(*pair(24, 40))
    assert flow.shape == (1, 2, 24, 40)
    flow.square().mean().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in plain.parameters())


def test_normalised_features_give_costs_that_are_correlations(monkeypatch):
    seen = []
    real = pwcnet.cost_volume
    monkeypatch.setattr(pwcnet, "cost_volume", lambda *args, radius: seen.append(real(*args, radius=radius)) or seen[-1])
    net = tiny(normalise=True)
    other = tiny()
    other.load_state_dict(net.state_dict())
    reference, neighbour = pair(24, 40)
    flow = net(reference, reference)
    coarsest = seen[0]
    assert coarsest.abs().max() < 1.01
    torch.testing.assert_close(coarsest[:, 12], torch.ones_like(coarsest[:, 12]), rtol=0, atol=0.02)  # each position with itself
    assert not torch.allclose(flow, other(reference, reference))
    assert not torch.allclose(net(reference, neighbour), other(reference, neighbour))


def test_scales_are_finest_first_and_in_pixels_of_their_own_resolution():
    net = tiny()
    reference, neighbour = pair(24, 40)
    flows = net.forward_scales(reference, neighbour)
    assert [tuple(flow.shape) for flow in flows] == [(1, 2, 24, 40), (1, 2, 6, 10), (1, 2, 3, 5)]
    assert torch.equal(flows[0], net(reference, neighbour))
    torch.testing.assert_close(flows[0].mean((2, 3)), 4 * flows[1].mean((2, 3)), rtol=0.2, atol=0.05)


def test_every_parameter_gets_a_finite_gradient():
    net = tiny()
    net(*pair(24, 16, batch=2)).square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_the_neighbour_is_read_where_the_flow_points():
    # Every level's decoder is told the true motion, and nothing else: the costs then peak at no displacement.
    net = tiny(widths=(8, 8, 8, 8))
    for decoder in net.decoders:
        torch.nn.init.zeros_(decoder.predict.weight)
        decoder.predict.bias.data = torch.tensor([16.0, 0.0]) / 20  # 16 pixels to the right
    torch.nn.init.zeros_(net.context[-1].weight)
    flow = net(*pair(16, 64))
    torch.testing.assert_close(flow, torch.tensor([16.0, 0.0]).view(1, 2, 1, 1).expand_as(flow))


@pytest.mark.slow
def test_it_learns_which_way_things_moved():
    torch.manual_seed(0)
    net = PWCNet(widths=(16, 16, 24), decoder_widths=(32, 16), context_widths=(8,) * 6, radius=2)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(2)
    errors = []
    for step in range(500):
        shift = 4 if step % 2 else -4  # so that no constant will do
        scene = torch.rand(4, 3, 8, 8, generator=generator)
        scene = torch.nn.functional.interpolate(scene, scale_factor=4, mode="bicubic", align_corners=False)
        true = torch.tensor([float(shift), 0.0]).view(1, 2, 1, 1)
        flows = net.forward_scales(scene - 0.5, scene.roll(shift, dims=3) - 0.5)
        loss = sum(((flow * (32 / flow.shape[-1]) - true) / 20).square().sum(1).sqrt().mean() for flow in flows)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        errors.append((flows[0] - true)[:, 0].abs().mean().item())
    assert sum(errors[-20:]) / 20 < 1.5  # of 4 pixels; not knowing the direction costs all 4


def test_flow_is_in_single_precision_under_autocast():
    net = tiny()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        flows = net.forward_scales(*pair(16, 16))
    assert {flow.dtype for flow in flows} == {torch.float32}


def test_every_argument_counts():
    base = count(tiny())
    changes = [
        {"widths": (4, 6, 10)},
        {"decoder_widths": (8, 8)},
        {"context_widths": (6, 6, 6, 6, 6, 6)},
        {"radius": 3},
        {"convs_per_level": 2},
    ]
    assert all(count(tiny(**change)) != base for change in changes)
    with pytest.raises(ValueError, match="levels"):
        PWCNet(widths=(8,))
    with pytest.raises(ValueError, match="context_widths"):
        PWCNet(context_widths=(8,))


def test_sizes():
    net = tiny()
    assert net.size_multiple == 8
    assert net(*pair(8, 24)).shape == (1, 2, 8, 24)
    with pytest.raises(ShapeError, match="multiples of 8"):
        net(*pair(12, 16))
    with pytest.raises(ShapeError, match="same shape"):
        net(pair(8, 8)[0], pair(8, 16)[0])
    with pytest.raises(ShapeError, match="reference"):
        net(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))


def sniklaus_names(state, prefix="net"):
    """Names of the published file that hold the given parameters of ours."""
    words = {"up_flow": "Upflow", "up_feat": "Upfeat"}
    published = {}
    for name, tensor in state.items():
        part, *rest = name.split(".")
        if part == "pyramid":
            theirs = f"{prefix}Extractor.{prefix}{NUMERALS[int(rest[0])]}.{rest[1]}.{rest[2]}"
        elif part == "context":
            theirs = f"{prefix}Refiner.{prefix}Main.{rest[0]}.{rest[1]}"
        elif rest[1] in words:
            theirs = f"{prefix}{NUMERALS[int(rest[0]) + 1]}.{prefix}{words[rest[1]]}.{rest[2]}"
        else:
            layer = "Six" if rest[1] == "predict" else NUMERALS[int(rest[2])]
            theirs = f"{prefix}{NUMERALS[int(rest[0]) + 1]}.{prefix}{layer}.0.{rest[-1]}"
        published[theirs] = tensor.flip(1) if name == "pyramid.0.0.weight" else tensor
    return published


def nvlabs_names(state, convs):
    published = {}
    for name, tensor in state.items():
        part, *rest = name.split(".")
        if part == "pyramid":
            level = int(rest[0]) + 1
            letters = "ab" if convs == 2 else (["aa", "a", "b"] if level == 6 else ["a", "aa", "b"])
            theirs = f"conv{level}{letters[int(rest[1]) // 2]}.0.{rest[2]}"
        elif part == "context":
            theirs = f"dc_conv{int(rest[0]) // 2 + 1}.{'' if rest[0] == '12' else '0.'}{rest[1]}"
        elif rest[1] == "dense":
            theirs = f"conv{int(rest[0]) + 2}_{rest[2]}.0.{rest[3]}"
        elif rest[1] == "predict":
            theirs = f"predict_flow{int(rest[0]) + 2}.{rest[2]}"
        else:
            theirs = f"{'deconv' if rest[1] == 'up_flow' else 'upfeat'}{int(rest[0]) + 3}.{rest[2]}"
        published[theirs] = tensor.flip(1) if name == "pyramid.0.0.weight" else tensor
    published["deconv2.weight"] = torch.zeros(2, 2, 4, 4)
    published["deconv2.bias"] = torch.zeros(2)
    return published


@pytest.mark.parametrize("layout", ["net", "module", "nvlabs", "nvlabs, two convolutions", "parallel"])
def test_published_names_lead_back_to_ours(layout):
    torch.manual_seed(0)
    convs = 2 if "two" in layout else 3
    net = PWCNet(widths=(4, 4, 4, 4, 4, 4), decoder_widths=(4, 4, 4, 4, 4), context_widths=(4,) * 6, radius=1, convs_per_level=convs)
    state = net.state_dict()
    published = sniklaus_names(state, layout) if layout in ("net", "module") else nvlabs_names(state, convs)
    if layout == "parallel":
        published = {f"module.{name}": tensor for name, tensor in published.items()}
    before = dict(published)
    renamed = rename_published_keys(published)
    assert renamed.keys() == state.keys()
    assert all(torch.equal(renamed[name], state[name]) for name in state)
    assert published.keys() == before.keys()
    net.load_state_dict(renamed)


def test_the_names_that_published_files_are_known_to_hold():
    weight = torch.zeros(1, 3, 1, 1)
    known = {
        "netExtractor.netOne.0.weight": "pyramid.0.0.weight",
        "moduleExtractor.moduleSix.4.bias": "pyramid.5.4.bias",
        "netTwo.netUpflow.weight": "decoders.0.up_flow.weight",
        "netSix.netSix.0.bias": "decoders.4.predict.bias",
        "netRefiner.netMain.12.weight": "context.12.weight",
        "conv1a.0.weight": "pyramid.0.0.weight",
        "deconv6.weight": "decoders.3.up_flow.weight",
        "upfeat3.bias": "decoders.0.up_feat.bias",
        "dc_conv7.weight": "context.12.weight",
    }
    for theirs, ours in known.items():
        assert list(rename_published_keys({theirs: weight})) == [ours]
    three = rename_published_keys({"conv1aa.0.weight": weight, "conv6aa.0.weight": weight, "conv6a.0.weight": weight})
    assert list(three) == ["pyramid.0.2.weight", "pyramid.5.0.weight", "pyramid.5.2.weight"]


def test_another_networks_names_are_refused():
    with pytest.raises(WeightsError, match="fnet"):
        rename_published_keys({"fnet.conv1.weight": torch.zeros(1)})


def test_flow_network_builder():
    assert isinstance(flow_network(None), ZeroFlow)
    sizes = {"widths": (4, 6, 8), "decoder_widths": (8, 6), "context_widths": (6, 6, 6, 6, 6, 4)}
    net = flow_network(sizes)
    assert isinstance(net, PWCNet)
    assert net.size_multiple == 8
    small = flow_network(sizes | {"convs_per_level": 2, "dense": False, "normalise": True})
    assert len(small.pyramid[0]) == 4
    assert not small.decoders[0].sees_all
    assert small.decoders[0].normalises
    with pytest.raises(InputError, match=r"`flow` has no argument 'width'; did you mean 'widths'"):
        flow_network({"width": (4, 6, 8)})


def test_zero_flow():
    reference, neighbour = pair(5, 7)
    assert torch.equal(ZeroFlow()(reference, neighbour), torch.zeros(1, 2, 5, 7))
    assert len(ZeroFlow().forward_scales(reference, neighbour)) == 1
    with pytest.raises(ShapeError, match="same shape"):
        ZeroFlow()(reference, reference[..., :-1])


def test_built_in_flow_knows_which_way_a_picture_moved():
    """Two views of a drawing, the second shifted: what was at p is at p + flow."""
    card = card_of("pwcnet")
    assert card.kind == "flow"
    net = create_flow(card.architecture, **card.arguments).eval()
    net.load_state_dict(load_tensors("pwcnet"))
    random = np.random.default_rng(4)
    scene = np.full((192, 224, 3), 128, np.uint8)
    for _ in range(250):
        corner = random.integers(0, 220, 2)
        cv2.rectangle(scene, corner.tolist(), (corner + random.integers(4, 30, 2)).tolist(), random.integers(0, 256, 3).tolist(), -1)
    scene = torch.from_numpy(cv2.GaussianBlur(scene, (0, 0), 1.0)).permute(2, 0, 1)[None].float() / 255
    for dx, dy in ((6, 0), (-3, 4), (0, -8)):
        reference, neighbour = scene[..., 16:176, 16:208], scene[..., 16 - dy : 176 - dy, 16 - dx : 208 - dx]
        with torch.no_grad():
            flow = net(reference, neighbour)[0, :, 32:-32, 32:-32]
        true = torch.tensor([dx, dy]).view(2, 1, 1)
        error = float((flow - true).norm(dim=0).median())
        assert error < 0.4 * (dx**2 + dy**2) ** 0.5, (dx, dy, error)

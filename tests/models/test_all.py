"""What every network that `names()` lists must hold; a new network joins by being listed."""

import importlib
import inspect
import itertools
import math

import pytest
import torch
from small import SMALL, with_blur_found

from unblur.errors import ShapeError
from unblur.layers.blind_deconvolution import KernelEstimator
from unblur.layers.windows import WindowLayout
from unblur.models import NETWORKS, create, names
from unblur.models.pwcnet import PWCNet

LOCAL = {
    "cdvdtsp": {"flow": None},
    "dbn": {"flow": None, "bounded": False},
    "deepdeblur": {"num_scales": 2},
    "ifirnn": {"memory": 1},
    "mscnn": {"attention": False, "num_codecs": 1, "num_scales": 2},
    "ovd": {"memory": 1, "blending": False, "num_blocks": 2},
    "pssnsc": {"num_scales": 2},
    "pvdnet": {"flow": None, "memory": 1},
    "stfan": {"memory": 1},
    "srn": {"num_scales": 2},
}
"""Further arguments under which `receptive_radius` is small enough, and exact, to be measured; what is sampled where offsets or
flow point has none, and a video network of that kind is not here."""


TAUGHT_APART = {"pvdnet": "flow.", "swift_video_best": "exposure_ratio."}
"""Parts that learn by a loss of their own or beforehand, and not by the picture; tests/models/test_pvdnet.py, tests/training/test_flow_and_blur_field.py."""


WITHOUT_PARAMETERS = {"l0"}
"""Methods that nothing is learnt for."""


def build(name, **arguments):
    torch.manual_seed(0)
    net = create(name, **{**SMALL.get(name, {}), **arguments})
    for parameter in net.parameters():
        if parameter.ndim > 1 and not parameter.any():  # training starts some from zero, where nothing shows
            torch.nn.init.normal_(parameter, std=0.3)
    return with_blur_found(net) if name == "swift_fused" else net


def picture(net, height, width, *, batch=1):
    shape = (batch, 3, height, width) if net.num_frames == 1 else (batch, net.num_frames, 3, height, width)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", sorted({*names()} - WITHOUT_PARAMETERS))
def test_every_parameter_gets_a_finite_gradient(name):
    net = build(name)
    side = 2 * net.size_multiple
    loss = sum(image.square().mean() for image in net.forward_scales(picture(net, side, side)))
    loss.backward()
    for parameter_name, parameter in net.named_parameters():
        if parameter_name.startswith(TAUGHT_APART.get(name, "-")):
            continue
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name


@pytest.mark.parametrize("name", names())
def test_finest_output_comes_first_and_has_the_input_size(name):
    net = build(name).eval()
    blurry = picture(net, net.size_multiple, 3 * net.size_multiple)
    with torch.no_grad():
        restored, scales = net(blurry), net.forward_scales(blurry)
    assert restored.shape == (1, 3, *blurry.shape[-2:])
    torch.testing.assert_close(scales[0], restored, rtol=0, atol=0)
    sizes = [scale.shape[-1] for scale in scales]
    assert sizes == sorted(sizes, reverse=True)


DIAGNOSTICS = {
    "astcn": {"flow": "flow", "alignment": "alignment", "offsets": "offsets", "masks": "map", "restored": "restored"},
    "cdvdtsp": {"flow": "flow", "alignment": "alignment", "sharpness": "map"},
    "dbn": {"flow": "flow", "alignment": "alignment", "restored": "restored"},
    "edvr": {"alignment": "alignment", "offsets": "offsets", "restored": "restored"},
    "gsta": {"alignment": "alignment", "frame-weights": "map", "restored": "restored"},
    "l0": {"kernels": "kernel", "edges": "map"},
    "mdcn": {"alignment": "alignment", "offsets": "offsets", "restored": "restored"},
    "ovd": {"blending": "map", "restored": "restored"},
    "ppnet": {"flow": "flow", "alignment": "alignment", "restored": "restored"},
    "pvdnet": {"flow": "flow"},
    "stfan": {"filters": "filters", "restored": "restored"},
    "svrnn": {"recurrence": "map"},
    "swift": {"motion": "axis", "restored": "restored"},
    "swift_best": {"motion": "axis", "kernels": "kernel", "deconvolved": "picture", "gates": "map", "restored": "restored"},
    "swift_fused": {"motion": "axis", "restorations": "picture", "gates": "map", "restored": "restored"},
    "swift_video": {"flow": "flow", "alignment": "alignment", "motion": "axis", "restored": "restored"},
    "swift_video_best": {
        "flow": "flow",
        "alignment": "alignment",
        "motion": "axis",
        "deconvolved": "picture",
        "gates": "map",
        "restored": "restored",
    },
    "xiang": {"flow": "flow", "alignment": "alignment", "restored": "restored"},
}
"""Name and kind of the diagnostics of each network, in order; the others give none."""

CHANNELS = {"picture": {3}, "map": {1, 3}, "flow": {2}, "axis": {2, 3}, "alignment": {1, 3}, "restored": {3}}
"""Channels of the tensors of a kind."""


@pytest.mark.parametrize("name", names())
def test_diagnostics_keep_to_their_kinds(name):
    net = build(name).eval()
    blurry = picture(net, *net.fit_size(32, 48))
    with torch.no_grad():
        restored, diagnostics, again = net(blurry), net.diagnostics(blurry), net(blurry)
    assert {diagnostic.name: diagnostic.kind for diagnostic in diagnostics} == DIAGNOSTICS.get(name, {})
    assert [diagnostic.name for diagnostic in diagnostics] == list(DIAGNOSTICS.get(name, {}))
    for diagnostic in diagnostics:
        assert diagnostic.caption
        tensors = [tensor for row in diagnostic.rows for tensor in row.values()]
        assert tensors
        for tensor in tensors:
            assert tensor.shape[0] == 1
            assert tensor.isfinite().all()
            if diagnostic.kind in CHANNELS:
                assert tensor.ndim == 4
                assert tensor.shape[1] in CHANNELS[diagnostic.kind]
            elif diagnostic.kind == "offsets":
                assert tensor.ndim == 4 or (tensor.ndim == 5 and tensor.shape[2] == 2)
            else:
                assert math.isqrt(tensor.shape[1]) ** 2 == tensor.shape[1]
            if diagnostic.kind == "restored":
                torch.testing.assert_close(tensor, restored, rtol=0, atol=0)
            if diagnostic.kind == "map" and tensor.shape[1] == 1:
                least, most = diagnostic.value_range
                assert least <= tensor.min() <= tensor.max() <= most
    torch.testing.assert_close(again, restored, rtol=0, atol=0)
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("name", names())
def test_takes_odd_multiples_and_refuses_other_sizes(name):
    net = build(name).eval()
    multiple = net.size_multiple
    with torch.no_grad():
        for height, width in itertools.product((multiple, 3 * multiple), (multiple, 5 * multiple)):
            assert net(picture(net, height, width)).isfinite().all()
    if multiple > 1:
        for height, width in ((multiple + 1, multiple), (multiple, 3 * multiple - 1), (multiple // 2, multiple)):
            with pytest.raises(ShapeError, match="multiple"):
                net(picture(net, height, width))


@pytest.mark.parametrize("name", names())
def test_refuses_other_dimensions(name):
    net = build(name)
    blurry = picture(net, net.size_multiple, net.size_multiple)
    for wrong in (blurry[0], torch.cat([blurry, blurry], dim=-3), blurry[..., :0]):
        with pytest.raises(ShapeError):
            net(wrong)


@pytest.mark.parametrize("name", names())
def test_pictures_of_a_batch_do_not_touch_each_other(name):
    net = build(name).eval()
    blurry = picture(net, 2 * net.size_multiple, 2 * net.size_multiple, batch=2)
    with torch.no_grad():
        together = net(blurry)
        alone = torch.cat([net(one[None]) for one in blurry])
    atol = 1e-3 if name == "swift_fused" else 1e-5  # blind deconvolution in several windows amplifies what is rounded in another order
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=atol)


@pytest.mark.parametrize("name", names())
def test_runs_under_autocast(name):
    net = build(name).eval()
    blurry = picture(net, 2 * net.size_multiple, 2 * net.size_multiple)
    with torch.no_grad():
        exact = net(blurry)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = net(blurry)
    assert rounded.isfinite().all()
    largest = max(1.0, float(exact.abs().max()))  # random weights may make values far beyond those of pictures
    torch.testing.assert_close(rounded.float(), exact, rtol=0, atol=0.1 * largest)


def is_local(name):
    net = build(name, **LOCAL.get(name, {}))
    return (net.num_frames == 1 or name in LOCAL) and not net.global_context


@pytest.mark.parametrize("name", [name for name in names() if is_local(name)])
def test_receptive_radius_covers_what_reaches_a_pixel(name):
    """All weights positive and all activations alive, so that no path is missed."""
    net = build(name, **LOCAL.get(name, {})).eval()
    measured = reach(net, margin=net.size_multiple)
    assert measured <= net.receptive_radius
    if name != "swift":  # its blur field is bounded, so that here no gradient passes; tests/layers/test_unet.py measures its parts
        assert measured >= 0.8 * net.receptive_radius


def alive(net):
    net = net.double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0 / max(parameter[0].numel(), 1))
    return net


def reach(net, *, margin):
    """Columns between an output pixel and the farthest input pixel that changes it, the worst of some pixels."""
    multiple = net.size_multiple
    half = -(-(net.receptive_radius + margin) // multiple) * multiple
    blurry = torch.ones_like(picture(net, multiple, 2 * half), dtype=torch.float64, requires_grad=True)
    row = alive(net)(blurry)[0, :, 0].sum(dim=0)
    worst = 0
    for column in range(half, half + multiple):
        (gradient,) = torch.autograd.grad(row[column], blurry, retain_graph=True)
        columns = gradient.abs().flatten(0, -2).sum(dim=0).nonzero()
        worst = max(worst, int((columns - column).abs().max()))
    return worst


# --- constructor arguments -------------------------------------------------------------------------------------------


SHOWN_ELSEWHERE = {
    ("l0", "kernel_size"),
    ("l0", "iterations"),
    ("l0", "data_weight"),
    ("l0", "gamma"),
    ("swift_best", "kernels.size"),
    ("swift_best", "kernels.iterations"),
    ("swift_best", "kernels.threshold"),
    ("swift_best", "kernels.restart_edges"),
    ("swift_best", "windows.max_side"),
    ("swift_best", "windows.overlap"),
    ("swift_best", "ensemble"),
    ("swift_best", "scale_step"),
    ("swift_fused", "maxim"),
    ("swift_fused", "swift_best"),
}
"""What does not show in a picture of noise, which has no blur, or in training, or in one size, or in a few pixels; the network's own tests and those of its layers show it."""

PARTS = {"flow": PWCNet, "kernels": KernelEstimator, "windows": WindowLayout}
"""What is built from those arguments that are mappings."""

NEEDED = {("mdcn", "flow"): {"alignment": "features"}}
"""Other arguments without which one does nothing."""


def parameters_of(name):
    """Arguments of the class or of the function that `create` calls."""
    module, _, attribute = NETWORKS[name].partition(":")
    return inspect.signature(getattr(importlib.import_module(module), attribute)).parameters


def arguments_of(name):
    """Those of parts as `flow.widths`."""
    for argument in parameters_of(name):
        inner = [f"{argument}.{each}" for each in inspect.signature(PARTS[argument]).parameters] if argument in PARTS else [argument]
        yield from ((name, each) for each in inner if (name, each) not in SHOWN_ELSEWHERE)


def other_values(value):
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 2, value + 1, 1]
        case float():
            return [value / 2 + 0.1, value / 2]
        case tuple():
            return [(2 * value[0], *value[1:]), (*value, value[-1])]
        case str():
            return ["all", "none", "fixed"]
    return []


@pytest.mark.parametrize(("name", "argument"), [pair for name in names() for pair in arguments_of(name)])
def test_every_argument_changes_the_network(name, argument):
    """Different parameters, or from the same parameters a different output in training mode (where dropout acts)."""
    outer, _, inner = argument.partition(".")
    own, needed = SMALL.get(name, {}), NEEDED.get((name, outer), {})
    part = own.get(outer, {}) if inner else own
    parameters = inspect.signature(PARTS[outer]).parameters if inner else parameters_of(name)
    before = part.get(inner or outer, parameters[inner or outer].default)
    for value in other_values(before):
        try:
            changed = build(name, **needed | {outer: part | {inner: value} if inner else value})
        except ValueError:
            continue
        assert differ(build(name, **needed), changed)
        return
    pytest.fail(f"no second value known for {name}({argument}={before!r}); add one to other_values")


def differ(one, other):
    shapes = [{key: tuple(tensor.shape) for key, tensor in net.state_dict().items()} for net in (one, other)]
    if shapes[0] != shapes[1]:
        return True
    side = math.lcm(one.size_multiple, other.size_multiple)
    outputs = []
    for net in (one, other):
        torch.manual_seed(0)
        with torch.no_grad():
            outputs.append(net(picture(net, 2 * side, side)))
    return not torch.equal(*outputs)

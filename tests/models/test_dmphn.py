import pytest
import torch
from torch import nn

from unblur.errors import WeightsError
from unblur.models.dmphn import DMPHN, LAYERS, _cut, _join, rename_published_keys

SMALL = {"widths": (4, 6, 8), "num_blocks": 2}


def published(net, *, stacked):
    """The weights of `net` under the authors' names, made from their numbering alone."""
    files = {}
    for s, stack in enumerate(net.stacks):
        for part in ("encoder", "decoder"):
            for level, codec in enumerate(stack[f"{part}s"]):
                layers = [layer for stage in codec.stages for layer in stage]
                tensors = {}
                for number, layer in zip(sorted(LAYERS[part]), layers, strict=True):
                    convs = {f"layer{number}": layer} if not hasattr(layer, "conv1") else {
                        f"layer{number}.0": layer.conv1, f"layer{number}.2": layer.conv2
                    }  # fmt: skip
                    for name, module in convs.items():
                        tensors |= {f"{name}.weight": module.weight.data, f"{name}.bias": module.bias.data}
                files[f"{part}_s{s + 1}_lv{level + 1}" if stacked else f"{part}_lv{level + 1}"] = tensors
    return files


@pytest.mark.parametrize(("levels", "stacks"), [(3, 1), (4, 1), (3, 2)])
def test_published_names_round_trip(levels, stacks):
    torch.manual_seed(0)
    source, target = (DMPHN(num_levels=levels, num_stacks=stacks, **SMALL) for _ in range(2))
    target.load_state_dict(rename_published_keys(published(source, stacked=stacks > 1)), strict=True)
    for (name, one), (_, other) in zip(source.named_parameters(), target.named_parameters(), strict=True):
        assert torch.equal(one, other), name


@pytest.mark.parametrize(
    ("files", "message"),
    [({"encoder": {}}, "encoder_lv1"), ({"encoder_lv1": {"layer13.0.weight": 0}}, "layer13"), ({"decoder_lv1": {"fc.weight": 0}}, "fc")],
)
def test_other_names_are_refused(files, message):
    with pytest.raises(WeightsError, match=message):
        rename_published_keys(files)


def test_cut_and_join():
    image = torch.arange(2 * 3 * 8 * 4.0).view(2, 3, 8, 4)
    patches = _cut(image, (4, 2))
    assert torch.equal(patches[2 * 1 + 0], image[0, :, 2:4, 0:2])  # second row, first column
    assert torch.equal(patches[8 + 2 * 3 + 1], image[1, :, 6:8, 2:4])
    assert torch.equal(_join(patches, (4, 2)), image)


class Plus(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value
        self.seen = None

    def forward(self, x):
        self.seen = x
        return x + self.value


def arithmetic(net, encoders, decoders):
    for stack in net.stacks:
        stack["encoders"] = nn.ModuleList(Plus(value) for value in encoders)
        stack["decoders"] = nn.ModuleList(Plus(value) for value in decoders)
    return net


def test_wiring_by_hand():
    """Encoders add 1, 2, 4 and decoders 10, 20, 40 (levels 1, 2, 3), at B - 0.5 = 0.

    Level 3: F3 = 0 + 4 = 4, R3 = 44. Level 2: F2 = (0 + 44) + 2 + F3 = 50, R2 = 70.
    Level 1: F1 = (0 + 70) + 1 + F2 = 121, output 131.
    """
    net = arithmetic(DMPHN(num_levels=3, **SMALL), [1, 2, 4], [10, 20, 40])
    torch.testing.assert_close(net(torch.full((1, 3, 8, 8), 0.5)), torch.full((1, 3, 8, 8), 131.5))
    read = [tuple(module.seen.shape) for module in net.stacks[0]["encoders"]]
    assert read == [(1, 3, 8, 8), (2, 3, 4, 8), (4, 3, 4, 4)]
    read = [tuple(module.seen.shape) for module in net.stacks[0]["decoders"]]
    assert read == [(1, 3, 8, 8), (1, 3, 8, 8), (2, 3, 4, 8)]


def test_wiring_of_a_stack_by_hand():
    """As above, then: image 131. F3 = 131 + 4 + 4 = 139, R3 = 179. F2 = (131 + 179) + 2 + 139 + 50 = 501,
    R2 = 501 + 20 + 131 = 652. F1 = (131 + 652) + 1 + 501 + 121 = 1406, output 1416.
    """
    net = arithmetic(DMPHN(num_levels=3, num_stacks=2, **SMALL), [1, 2, 4], [10, 20, 40])
    restored = net.forward_scales(torch.full((1, 3, 8, 8), 0.5))
    assert [float(image.mean()) for image in restored] == pytest.approx([1416.5, 131.5])
    assert all(image.shape == (1, 3, 8, 8) for image in restored)


def test_encoders_do_not_look_over_the_edge_of_a_patch():
    """Cut off from the finer level's residual, a patch of level 2 is encoded without its neighbour."""
    torch.manual_seed(0)
    net = DMPHN(num_levels=2, **SMALL)
    blurry = torch.rand(1, 3, 16, 8)
    changed = blurry.clone()
    changed[:, :, 8:] = 0
    seen = []
    net.stacks[0]["encoders"][1].register_forward_hook(lambda _module, _args, output: seen.append(output))
    net(blurry)
    net(changed)
    torch.testing.assert_close(seen[0][0], seen[1][0])
    assert not torch.allclose(seen[0][1], seen[1][1])


def test_needs_a_level_and_a_stack():
    for arguments in ({"num_levels": 0}, {"num_stacks": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            DMPHN(**arguments)

import pytest
import torch

from unblur.models.pssnsc import PSSNSC

SMALL = {"widths": (4, 6, 8), "num_blocks": 2}


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def test_what_is_shared():
    sizes = {sharing: PSSNSC(**SMALL, sharing=sharing) for sharing in ("selective", "all", "none")}
    extraction = count(sizes["all"].extractions)
    transformation = count(sizes["all"].transformations)
    assert count(sizes["selective"]) == 3 * extraction + transformation
    assert count(sizes["none"]) == 3 * (extraction + transformation)


def test_sharing_is_a_matter_of_equal_weights():
    torch.manual_seed(0)
    all_shared, separate = PSSNSC(**SMALL, sharing="all"), PSSNSC(**SMALL, sharing="none")
    for scale in range(3):
        separate.extractions[scale].load_state_dict(all_shared.extractions[0].state_dict())
        separate.transformations[scale].load_state_dict(all_shared.transformations[0].state_dict())
    blurry = torch.rand(1, 3, 16, 32)
    torch.testing.assert_close(all_shared(blurry), separate(blurry))


def test_reused_modules_are_equal_modules():
    torch.manual_seed(0)
    reused, own = PSSNSC(**SMALL), PSSNSC(**SMALL, reuse_modules=False)
    own.extractions.load_state_dict(reused.extractions.state_dict())
    for one, others in zip(reused.transformations[0], own.transformations[0], strict=True):
        for other in others:
            other.load_state_dict(one[0].state_dict())
    blurry = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(reused(blurry), own(blurry))


def test_nested_skips_are_a_chain_of_residual_blocks():
    torch.manual_seed(0)
    blocks = PSSNSC(**SMALL).transformations[0][0][0]
    x = torch.rand(1, 4, 8, 8)
    nested = x
    for block in blocks:  # n_i = F_i(x + n_1 + ... + n_{i-1}), added to all that came before
        nested = nested + block.conv2(torch.relu(block.conv1(nested)))
    torch.testing.assert_close(blocks(x), nested)


def test_each_scale_corrects_its_input():
    torch.manual_seed(0)
    net = PSSNSC(**SMALL)
    for extraction in net.extractions:
        for parameter in extraction.exit.parameters():
            parameter.data.fill_(0)
    blurry = torch.rand(1, 3, 16, 16)
    restored = net.forward_scales(blurry)
    torch.testing.assert_close(restored[0], blurry)
    torch.testing.assert_close(restored[1], torch.nn.functional.avg_pool2d(blurry, 2))


def test_other_sharing_is_refused():
    with pytest.raises(ValueError, match="selective"):
        PSSNSC(sharing="some")

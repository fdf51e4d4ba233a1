import pytest
import torch
from small import blur_field_of, constant

from unblur.models import create
from unblur.models.supervised import (
    EstimatesBlurField,
    EstimatesCameraKernel,
    EstimatesFlowAndBlurField,
    TakesExemplar,
    estimate_exposure_ratio,
)


@pytest.mark.parametrize(
    ("name", "interfaces"),
    [
        ("swift", {EstimatesBlurField}),
        ("swift_best", {EstimatesBlurField, EstimatesCameraKernel}),
        ("swift_video", {EstimatesFlowAndBlurField}),
        ("swift_video_best", {EstimatesFlowAndBlurField}),
        ("xiang", {TakesExemplar}),
        ("srn", set()),
    ],
)
def test_what_the_networks_promise(name, interfaces):
    net = create(name)
    every = (EstimatesBlurField, EstimatesCameraKernel, EstimatesFlowAndBlurField, TakesExemplar)
    assert {each for each in every if isinstance(net, each)} == interfaces


@pytest.mark.parametrize("exposure_ratio", [0.25, 0.5, 1.0])
def test_the_exposure_ratio_is_how_much_shorter_blur_is_than_motion(exposure_ratio):
    found = estimate_exposure_ratio(blur_field_of(exposure_ratio * 9, exposure_ratio * -4), constant(9, -4, height=24, width=32))
    assert float(found) == pytest.approx(exposure_ratio, abs=2e-3)


def test_what_moves_far_counts_most_and_no_blur_is_longer_than_the_motion():
    blur_field = torch.cat([blur_field_of(1, 0), blur_field_of(12, 0)], dim=3)
    assert float(
        estimate_exposure_ratio(blur_field, torch.cat([constant(1, 0, height=24, width=32), constant(24, 0, height=24, width=32)], dim=3))
    ) == pytest.approx(0.5, abs=0.01)
    assert float(estimate_exposure_ratio(blur_field_of(12, 0), constant(6, 0, height=24, width=32))) == 1
    assert float(estimate_exposure_ratio(blur_field_of(0, 0), constant(0, 0, height=24, width=32))) == 0

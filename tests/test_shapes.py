"""The shapes that annotations name are checked while the tests run."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from jaxtyping import TypeCheckError

from backbones.engine.pixels import to_pixels
from backbones.world.street.script import CameraPath
from methods.encoders.index import DescriptorIndex


def test_a_wrong_argument_of_a_function_is_refused() -> None:
    with pytest.raises(TypeCheckError, match="frame 3 height width"):
        to_pixels(torch.zeros(2, 4, 8, 8))


def test_a_wrong_argument_of_a_method_is_refused() -> None:
    with pytest.raises(TypeCheckError, match="frame dim"):
        DescriptorIndex().add(torch.zeros(4))


def test_shapes_that_disagree_within_a_dataclass_are_refused() -> None:
    fitting = CameraPath(torch.zeros(2).int(), torch.zeros(2).int(), torch.zeros(2, 4))
    with pytest.raises(TypeCheckError, match="frame sky"):
        dataclasses.replace(fitting, sky=torch.zeros(3, 4))


@pytest.mark.usefixtures("shapes_unchecked")
def test_checks_can_be_turned_off_for_compiled_code() -> None:
    assert to_pixels(torch.zeros(2, 4, 8, 8)).shape == (2, 8, 8, 4)

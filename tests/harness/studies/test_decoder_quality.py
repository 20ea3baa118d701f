from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from harness.studies.worlds.decoder_quality import fidelity_db, sharpness_share


def test_a_blurred_video_has_a_smaller_share_of_the_sharpness() -> None:
    rendered = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    blurred = F.avg_pool2d(rendered, 3, stride=1, padding=1, count_include_pad=False)
    assert sharpness_share(rendered, rendered) == 1
    assert 0 < sharpness_share(blurred, rendered) < 0.2
    assert fidelity_db(rendered + 0.2, rendered) == pytest.approx(20.0, abs=1e-3)

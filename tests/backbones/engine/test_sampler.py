from __future__ import annotations

import torch

from backbones.engine.sampler import SamplingConfig

# timesteps[1000 - step] of the public scheduler (shift 5), as a public log prints them.
PUBLIC_WARPED_STEPS = (1000.0, 937.5, 833.3333129882812, 625.0)


def test_sigmas_are_those_of_the_public_warped_steps() -> None:
    steps = (1000, 750, 500, 250)
    sigmas = SamplingConfig(steps, 5.0).sigmas
    # The public scheduler: 1001 levels from 1 to 0, the last one dropped, shifted, in float32.
    levels = torch.linspace(1, 0, 1001)[:-1]
    shifted = 5 * levels / (1 + 4 * levels)
    table = torch.stack([(shifted * 1000)[1000 - step] for step in steps])
    ours = torch.tensor(sigmas) * 1000
    assert torch.equal(table, torch.tensor(PUBLIC_WARPED_STEPS))
    torch.testing.assert_close(ours, table, rtol=1e-7, atol=0)

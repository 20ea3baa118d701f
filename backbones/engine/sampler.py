"""Few-step flow sampling with a shifted schedule (Self-Forcing and its relatives)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from harness.core.errors import ConfigError


@dataclass(frozen=True)
class SamplingConfig:
    """Noise levels of the passes over a block.

    Attributes:
        denoising_step_list: training timesteps, from 1000 down, before the shift.
        timestep_shift: s in sigma = s*u / (1 + (s-1)*u), u = timestep / 1000.
        context_noise: timestep of the clean pass, which computes keys and values.
    """

    denoising_step_list: tuple[int, ...]
    timestep_shift: float
    context_noise: int = 0

    def __post_init__(self) -> None:
        steps = self.denoising_step_list
        descending = all(a > b for a, b in pairwise(steps))
        if not steps or steps[0] > 1000 or steps[-1] <= 0 or not descending:
            raise ConfigError(
                f"denoising_step_list must descend within 1000..1, got {list(steps)}."
            )
        if not (self.timestep_shift > 0 and math.isfinite(self.timestep_shift)):
            raise ConfigError(f"timestep_shift must be positive, got {self.timestep_shift}.")
        if not 0 <= self.context_noise <= 1000:
            raise ConfigError(f"context_noise must lie in 0..1000, got {self.context_noise}.")

    @property
    def sigmas(self) -> tuple[float, ...]:
        """Return the noise level of each denoising pass after the shift; 1 is pure noise."""
        shift = self.timestep_shift
        levels = (step / 1000 for step in self.denoising_step_list)
        return tuple(shift * level / (1 + (shift - 1) * level) for level in levels)

"""The table of checks, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.studies.gpu_selftest import (
    attention_checks,
    encoder_checks,
    failure_checks,
    fp8_checks,
    machine_checks,
    rollout_checks,
    speed_checks,
    vae_checks,
)
from harness.studies.gpu_selftest.claims import Outcome
from harness.studies.gpu_selftest.setup import Setup


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: its name on the command line.
        run: does it.
        limit_s: seconds after which it has failed.
        quick: whether `--quick` includes it.
    """

    name: str
    run: Callable[[Setup], Outcome]
    limit_s: float = 60
    quick: bool = False

    @property
    def about(self) -> str:
        """First line of what it says of itself."""
        return (self.run.__doc__ or "").strip().splitlines()[0]


CHECKS = (
    Check("environment", machine_checks.environment, 120, quick=True),
    Check("copies", machine_checks.copies, 90, quick=True),
    Check("attention", attention_checks.kernels, 90, quick=True),
    Check("choice", attention_checks.choice, quick=True),
    Check("halves", attention_checks.compiled_halves, 180, quick=True),
    Check("fp8", fp8_checks.fp8, 180),
    Check("graphs", attention_checks.graphs, 240),
    Check("parity", rollout_checks.parity, 120),
    Check("tiers", rollout_checks.tiers, 120, quick=True),
    Check("order", rollout_checks.order, 180),
    Check("prefix", rollout_checks.prefix, 90),
    Check("resume", rollout_checks.resume, 90),
    Check("repeat", rollout_checks.repeat, 120),
    Check("cuda-graphs", rollout_checks.cuda_graphs, 90, quick=True),
    Check("batch", rollout_checks.batch, 90),
    Check("waiting", rollout_checks.waiting),
    Check("decoder", vae_checks.decoder, 240, quick=True),
    Check("speed", speed_checks.speed, 300, quick=True),
    Check("memory", failure_checks.memory_limits),
    Check("out-of-memory", failure_checks.out_of_memory, 90),
    Check("lost-device", failure_checks.lost_device, 180),
    Check("encoder", encoder_checks.encoder),
    Check("encoder-training", encoder_checks.encoder_training, 90),
    Check("judges", encoder_checks.judges, 90),
    Check("profile", speed_checks.kernels_profile, 180),
    Check("video", speed_checks.video),
)

"""Settings of the computation: kernels, memory, determinism.

None of them is part of a unit's identity. They change speed and memory, and pixels at most as much
as another GPU model would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from harness.core.errors import ConfigError


class AttentionKernel(StrEnum):
    """Implementations of scaled dot-product attention; auto measures them at start-up.

    fa3 and fa4 are packages of their own, which torch must know and find.
    """

    auto = "auto"
    flash = "flash"
    fa3 = "fa3"
    fa4 = "fa4"
    cudnn = "cudnn"
    efficient = "efficient"
    math = "math"


@dataclass
class Kernels:
    """Kernels that do the arithmetic.

    Args:
        compile: torch.compile the layers; by default on a GPU and not on the CPU.
        attention: kernel of scaled dot-product attention.
        cuda_graphs: replay whole passes as CUDA graphs.
    """

    compile: bool | None = None
    attention: AttentionKernel = AttentionKernel.auto
    cuda_graphs: bool = False


@dataclass
class KVLimits:
    """Memory limits for the keys and values of past latent frames.

    Frames that don't fit on the device go to pinned host memory, then to a scratch file. Their
    place never changes the video.

    Args:
        host_gib: limit for host memory, by default a share of what is available.
        device_gib: limit for device memory, by default what models and decoder leave. Not used on
            the CPU.
        spill_dir: folder of the scratch file; by default the system's folder for temporary files.
    """

    host_gib: float | None = None
    device_gib: float | None = None
    spill_dir: str | None = None

    def __post_init__(self) -> None:
        # The type check skips an instance that OmegaConf first builds with placeholders for fields.
        for name in ("host_gib", "device_gib"):
            value = getattr(self, name)
            if isinstance(value, float) and not (value >= 0 and math.isfinite(value)):
                raise ConfigError(f"kv.{name} must be a number of GiB, 0 or more; got {value}.")

    def of_each(self, number: int) -> KVLimits:
        """Return the limits of each of several rollouts that have these together."""
        host, device = (x and x / number for x in (self.host_gib, self.device_gib))
        return KVLimits(host, device, self.spill_dir)


@dataclass
class Runtime:
    """All settings of the computation.

    Args:
        kernels: kernels that do the arithmetic.
        kv: memory limits for keys and values.
        deterministic: use deterministic kernels only; an operation that has none is an error.
    """

    kernels: Kernels = field(default_factory=Kernels)
    kv: KVLimits = field(default_factory=KVLimits)
    deterministic: bool = False

"""Choice of the fastest attention kernel that computes right.

Kernels differ in the last bits, so the choice is made once per kind of device, shape and version,
and kept in a file: a resumed rollout continues with the kernel that it started with.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F

from backbones.engine.attention import FLASH_PACKAGES, using
from backbones.engine.cudnn import cudnn_fault
from backbones.engine.lanes import Moment
from backbones.engine.runtime import AttentionKernel
from harness.core.determinism import full_float32
from harness.core.errors import ConfigError
from harness.core.files import cache_root, locked, write_json

_TRIALS, _ROUNDS = 20, 3
_UNSTEADY_RELATIVE = 0.2
# bfloat16 alone is off by 2 to 4 thousandths; keys left out or read beyond the end by some percent.
_WRONG_RELATIVE = 1e-2
_UNSURE: dict[str, AttentionKernel] = {}
# Kernels that were asked for and compute right: with shape, device and determinism.
_CHECKED: set[tuple[AttentionKernel, AttentionShape, torch.device, bool]] = set()


@dataclass(frozen=True)
class AttentionShape:
    """Sizes that the speed of attention depends on.

    Attributes:
        heads: attention heads.
        queries: tokens of a block.
        keys: tokens of a full context, the block included.
        head_dim: channels of a head.
        dtype: number format.
    """

    heads: int
    queries: int
    keys: int
    head_dim: int
    dtype: torch.dtype


@dataclass(frozen=True)
class Trial:
    """One kernel at one shape.

    Attributes:
        seconds: of a call, the median of 20 on a GPU; infinity if it wasn't measured, doesn't run
            or computes wrong.
        error: relative difference of its first and last head to float32, perhaps NaN; None if it
            doesn't run.
        problem: why it can't be used, or None.
        spread: of the calls between the first and the last tenth, relative to `seconds`.
    """

    seconds: float
    error: float | None
    problem: str | None = None
    spread: float = 0.0

    @property
    def is_steady(self) -> bool:
        """Return whether the calls took about equally long, as on an idle device."""
        return self.spread <= _UNSTEADY_RELATIVE


def pick_kernel(
    asked: AttentionKernel, shape: AttentionShape, device: torch.device
) -> AttentionKernel:
    """Return the kernel to use.

    Args:
        asked: a kernel, which is checked once per process and shape; or auto: the fastest on a GPU,
            flash on the CPU.
        shape: sizes of a block with a full context.
        device: where it runs.

    Raises:
        ConfigError: the kernel that was asked for doesn't run on this device, or computes wrong.
    """
    if asked is not AttentionKernel.auto:
        key = asked, shape, device, torch.are_deterministic_algorithms_enabled()
        if key not in _CHECKED:
            if (problem := try_kernel(asked, shape, device, timed=False).problem) is not None:
                raise ConfigError(f"kernels.attention={asked} doesn't run on {device}: {problem}")
            _CHECKED.add(key)
        return asked
    if device.type == "cpu":
        return AttentionKernel.flash
    return fastest(
        _key(shape, device), gpu_kernels(), lambda kernel: try_kernel(kernel, shape, device)
    )


def fastest(
    key: str,
    kernels: tuple[AttentionKernel, ...],
    trial_of: Callable[[AttentionKernel], Trial],
) -> AttentionKernel:
    """Return the fastest kernel, measured once per key and remembered in the user's cache.

    If none of them runs (each takes infinitely long), return math. What was measured while the
    device was busy with something else, as seen by the spread of times, is remembered for this
    process alone, unless the fastest one is so by more than the spreads.
    """
    if key in _UNSURE:
        return _UNSURE[key]
    path = cache_root() / "attention.json"
    with locked(path.with_suffix(".lock")):
        choices = _read(path)
        if key not in choices:
            trials = {kernel: trial_of(kernel) for kernel in kernels}
            best = min(kernels, key=lambda kernel: trials[kernel].seconds)
            if trials[best].seconds == float("inf"):
                return AttentionKernel.math
            if not all(_is_sure(trials[best], trial) for trial in trials.values()):
                return _UNSURE.setdefault(key, best)
            choices[key] = best
            write_json(path, choices)
    return choices[key]


def _is_sure(best: Trial, other: Trial) -> bool:
    slowest_best_s = best.seconds * (1 + best.spread)
    return other.is_steady or other.seconds * (1 - other.spread) > slowest_best_s


@cache
def gpu_kernels() -> tuple[AttentionKernel, ...]:
    """Return the kernels of GPUs: those of torch, and of installed packages that it can use."""
    return (
        AttentionKernel.cudnn,
        AttentionKernel.flash,
        AttentionKernel.efficient,
        *(kernel for kernel in FLASH_PACKAGES if _can_be_used(kernel)),
    )


def try_kernel(
    kernel: AttentionKernel, shape: AttentionShape, device: torch.device, timed: bool = True
) -> Trial:
    """Compute attention by a kernel, check the result against float32, and measure the time.

    Times that are not steady are measured again, up to three times; without `timed` none is.

    Raises:
        torch.OutOfMemoryError: there is too little memory to tell.
        torch.AcceleratorError: the device is lost.
    """
    if kernel is AttentionKernel.cudnn and device.type == "cuda" and (fault := cudnn_fault()):
        return _refused(fault)
    generator = torch.Generator(device).manual_seed(shape.keys)

    def random(tokens: int) -> torch.Tensor:
        size = (shape.heads, tokens, shape.head_dim)
        drawn = torch.randn(size, generator=generator, device=device)
        return drawn.to(shape.dtype)[None]

    q, k, v = random(shape.queries), random(shape.keys), random(shape.keys)
    seconds = spread = float("inf")
    try:
        with torch.inference_mode(), using(kernel):
            F.scaled_dot_product_attention(q, k, v)  # compiled, and its work space taken
            # The next result takes the place of this one: what a kernel doesn't write is NaN.
            poison = torch.full_like(q, float("nan"))
            del poison
            error = _relative_error(F.scaled_dot_product_attention(q, k, v), q, k, v)
            rounds, trials = _rounds_and_trials(device) if timed else (0, 0)
            while rounds > 0 and spread > _UNSTEADY_RELATIVE:
                seconds, spread = _timed(q, k, v, trials)
                rounds -= 1
    except torch.OutOfMemoryError:
        raise
    except Exception as problem:  # a package of others may refuse in any way
        if type(problem).__name__ == "AcceleratorError":
            raise
        return _refused(str(problem).splitlines()[0] if str(problem) else repr(problem))
    if not error <= _WRONG_RELATIVE:
        return Trial(float("inf"), error, f"its result is off by {error:.2g} of float32's")
    return Trial(seconds, error, spread=spread)


def _rounds_and_trials(device: torch.device) -> tuple[int, int]:
    """Return how often to measure; on the CPU nothing is chosen by time, and calls are long."""
    return (_ROUNDS, _TRIALS) if device.type == "cuda" else (1, 1)


def _timed(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, number: int) -> tuple[float, float]:
    """Return the median seconds of some calls, and their relative spread."""
    times_s = []
    for _ in range(number):
        before = Moment(q.device)
        F.scaled_dot_product_attention(q, k, v)
        times_s.append(Moment(q.device).seconds_since(before))
    times_s.sort()
    middle_s = times_s[number // 2]
    return middle_s, (times_s[-1 - number // 10] - times_s[number // 10]) / middle_s


def _refused(reason: str) -> Trial:
    return Trial(float("inf"), None, reason)


def _relative_error(
    found: torch.Tensor, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
) -> float:
    """Compare the first and the last head with attention by its definition, in full float32."""
    difference = expected = 0.0
    with full_float32():
        for head in sorted({0, q.shape[1] - 1}):
            q_SD, k_KD, v_KD = (x[0, head].float() for x in (q, k, v))
            y_SD = (q_SD @ k_KD.t() * q_SD.shape[-1] ** -0.5).softmax(-1) @ v_KD
            difference += float((found[0, head].float() - y_SD).square().sum())
            expected += float(y_SD.square().sum())
    return (difference / expected) ** 0.5


def _can_be_used(kernel: AttentionKernel) -> bool:
    try:
        with using(kernel):
            return True
    except Exception:  # a package of others may be missing or fail in any way
        return False


def _key(shape: AttentionShape, device: torch.device) -> str:
    parts = (
        torch.cuda.get_device_name(device),
        f"torch {torch.__version__}",
        f"cudnn {torch.backends.cudnn.version()}",
        # Some kernels refuse to run under strict determinism.
        f"deterministic {torch.are_deterministic_algorithms_enabled()}",
        " ".join(gpu_kernels()),
        str(shape),
    )
    return " | ".join(parts)


def _read(path: Path) -> dict[str, AttentionKernel]:
    """Return the choices of before; none if there is no such file or it is damaged."""
    try:
        choices = json.loads(path.read_bytes())
        return {key: AttentionKernel(choices[key]) for key in choices}
    # Not with msgspec, which a machine that runs the GPU self-test alone may lack.
    except (OSError, ValueError, TypeError, RecursionError):
        return {}

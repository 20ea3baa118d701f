"""Reading weights files: every key used, or a typed error that names the first offenders."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file

from harness.errors import LongtakeError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_SHOWN = 5


def sha256_of(path: Path, remedy: str) -> str:
    """The sha256 of a weights file.

    Raises:
        LongtakeError: there is no such file; the message ends with `remedy`.
    """
    if not path.is_file():
        raise LongtakeError(f"Missing weights: {path}. {remedy}")
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


@lru_cache
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Hashed once per process, unless the file changes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_tensors(path: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    """All tensors of a .safetensors file as `dtype`.

    Raises:
        LongtakeError: the file is truncated or not in safetensors format.
    """
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise LongtakeError(
            f"{path.name} is truncated or not a safetensors file: {error}"
        ) from error
    return {name: tensor.to(dtype) for name, tensor in tensors.items()}


def load_strictly(module: nn.Module, tensors: dict[str, Tensor], source: str) -> None:
    """Put tensors into a module; names and shapes must match exactly.

    Raises:
        LongtakeError: the first missing, unexpected or misshapen tensors.
    """
    expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
    problems = [f"{name} is missing" for name in expected.keys() - tensors.keys()]
    problems += [f"{name} is unexpected" for name in tensors.keys() - expected.keys()]
    problems += [
        f"{name} has shape {tuple(tensors[name].shape)}, expected {tuple(shape)}"
        for name, shape in expected.items()
        if name in tensors and tensors[name].shape != shape
    ]
    if problems:
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise LongtakeError(
            f"{source} does not fit {type(module).__name__}: "
            f"{'; '.join(sorted(problems)[:_SHOWN])}{more}."
        )
    module.load_state_dict(tensors, assign=True)

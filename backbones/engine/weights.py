"""Reading weights files: no code is run, every key used, or a typed error naming the offenders."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from harness.core.errors import LongtakeError
from harness.core.weights_files import file_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

_SHOWN = 5


def sha256_of(path: Path, remedy: str) -> str:
    """The sha256 of a weights file.

    Raises:
        LongtakeError: there is no such file; the message ends with `remedy`.
    """
    require_file(path, remedy)
    return file_sha256(path)


def require_file(path: Path, remedy: str) -> None:
    """Refuse a weights file that isn't there.

    Raises:
        LongtakeError: the message ends with `remedy`.
    """
    if not path.is_file():
        raise LongtakeError(f"Missing weights: {path}. {remedy}")


def read_checkpoint(path: Path) -> Any:
    """The content of a .safetensors or PyTorch file, on the CPU, without running code from it.

    Tensors of a PyTorch file are mapped, not read: copy what must outlive the file.

    Raises:
        LongtakeError: the file is truncated, of another format, or wants to run code.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Only the zip format of PyTorch can be mapped.
        mapped = zipfile.is_zipfile(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # a damaged pickle fails in too many ways to list
        if code := re.search(r"Unsupported \w+: GLOBAL (\S+)", str(error)):
            raise LongtakeError(
                f"{path.name} was not loaded: it is a pickle that holds more than tensors and "
                f"wants to call {code[1]}."
            ) from error
        kind = "safetensors" if path.suffix == ".safetensors" else "PyTorch"
        reason = str(error).partition("\n")[0]
        raise LongtakeError(
            f"{path.name} is truncated or not a {kind} file: {type(error).__name__}: {reason}"
        ) from error


def read_tensors(path: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    """All tensors of a file that holds nothing else, as `dtype`.

    Raises:
        LongtakeError: see `read_checkpoint`; or the file holds something else.
    """
    content = read_checkpoint(path)
    if not is_state_dict(content):
        raise LongtakeError(f"{path.name} is no state dict; it holds {describe(content)}.")
    return {name: tensor.to(dtype, copy=True) for name, tensor in content.items()}


def is_state_dict(content: Any) -> bool:
    """Whether it is a dict of names to tensors."""
    return isinstance(content, Mapping) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    )


def describe(content: Any) -> str:
    """What a file holds, for messages."""
    if isinstance(content, Mapping):
        return f"the keys {first_few(map(str, content))}"
    return f"a {type(content).__name__}"


def first_few(items: Iterable[str]) -> str:
    """The first items in order, and how many more there are."""
    ordered = sorted(items)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return f"{'; '.join(ordered[:_SHOWN])}{more}"


def load_strictly(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Put tensors into a module; names and shapes must match exactly.

    The tensors take the place of the module's own, so it may have been built without any (on the
    meta device).

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
        raise LongtakeError(
            f"{source} does not fit {type(module).__name__}: {first_few(problems)}."
        )
    module.load_state_dict(tensors, assign=True)

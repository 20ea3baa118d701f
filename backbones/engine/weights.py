"""Strict readers of weights files: they run no code from a file and require every key to match."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from harness.core.errors import MissingWeights
from harness.core.weights_files import file_sha256, why_unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

SHARDS = "*.safetensors"
_SHOWN = 5


def sha256_of(path: Path, remedy: str) -> str:
    """Return the sha256 of a weights file.

    Raises:
        MissingWeights: there is no such file; the message ends with `remedy`.
    """
    require_file(path, remedy)
    return file_sha256(path)


def require_file(path: Path, remedy: str) -> None:
    """Refuse a weights file that doesn't exist.

    Raises:
        MissingWeights: the message ends with `remedy`.
    """
    if not path.is_file():
        raise MissingWeights(f"Missing weights: {path}. {remedy}")


def read_checkpoint(path: Path) -> Any:
    """Return the content of a .safetensors or PyTorch file, on the CPU, without running its code.

    Tensors of a PyTorch file are mapped, not read; copy those that must outlive the file. A folder
    stands for the tensors of all its .safetensors files.

    Raises:
        MissingWeights: the file is truncated, of another format, or needs code to be run; two files
            of a folder hold the same tensor.
    """
    if path.is_dir():
        shards = [read_checkpoint(shard) for shard in sorted(path.glob(SHARDS))]
        tensors = {name: tensor for shard in shards for name, tensor in shard.items()}
        if len(tensors) < sum(map(len, shards)):
            raise MissingWeights(f"{path.name} holds a tensor in two of its files.")
        return tensors
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Only the zip format of PyTorch can be mapped.
        mapped = zipfile.is_zipfile(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # a damaged pickle can raise almost anything
        if code := re.search(r"Unsupported \w+: GLOBAL (\S+)", str(error)):
            raise MissingWeights(
                f"{path.name} was not loaded: it is a pickle that holds more than tensors and "
                f"wants to call {code[1]}."
            ) from error
        kind = "safetensors" if path.suffix == ".safetensors" else "PyTorch"
        raise MissingWeights(
            f"{path.name} is truncated or not a {kind} file: {why_unreadable(path, error)}."
        ) from error


def read_tensors(path: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return all tensors of a file that holds nothing else, as `dtype`.

    Raises:
        MissingWeights: the file can't be read, or holds something else.
    """
    content = read_checkpoint(path)
    if not is_state_dict(content):
        raise MissingWeights(f"{path.name} is not a state dict; it holds {describe(content)}.")
    return {name: tensor.to(dtype, copy=True) for name, tensor in content.items()}


def is_state_dict(content: Any) -> bool:
    """Return whether the content of a file is a dict of names to tensors."""
    return isinstance(content, Mapping) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    )


def describe(content: Any) -> str:
    """Describe the content of a file, for messages."""
    if isinstance(content, Mapping):
        return f"the keys {first_few(map(str, content))}"
    return f"a {type(content).__name__}"


def first_few(items: Iterable[str]) -> str:
    """Return the first items in order, and the number of further ones."""
    ordered = sorted(items)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return f"{'; '.join(ordered[:_SHOWN])}{more}"


@contextmanager
def unfilled() -> Iterator[None]:
    """Build networks on the meta device, where they take no memory, without first values.

    To fill what has no memory, torch would import its compiler: 1.5 s of every command.
    """
    with torch.device("meta"), _NoFirstValues():
        yield


class _NoFirstValues(TorchFunctionMode):
    """Leaves out the functions of `torch.nn.init`."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def load_strictly(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load tensors into a module; names and shapes must match exactly.

    The tensors replace the module's own, so the module may be on the meta device before.

    Raises:
        MissingWeights: the first missing, unexpected or misshapen tensors.
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
        raise MissingWeights(
            f"{source} does not fit {type(module).__name__}: {first_few(problems)}."
        )
    module.load_state_dict(tensors, assign=True)

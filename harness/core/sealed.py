"""Tensors that are read back later, with the sha256 of their content in the same file.

A byte that changed on disk is found when the file is read, instead of changing what is computed
from it.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.equal_bytes import write_tensors
from harness.core.errors import StoreError
from harness.core.files import read_bytes

if TYPE_CHECKING:
    from torch import Tensor

_KEY = "sha256"
_SEAL = re.compile(rb"sha256:([0-9a-f]{64})\Z")
_SEAL_BYTES = 71


def write_sealed(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a .safetensors file with its digest."""
    digest = _begin(metadata)
    for name in sorted(tensors):
        _add(digest, name, tensors[name])
    write_tensors(path, tensors, {**metadata, _KEY: digest.hexdigest()})


def open_sealed(path: Path) -> tuple[Any, dict[str, str]]:
    """Open a .safetensors file after comparing all of it with its digest.

    Returns:
        safetensors' handle, which reads tensors or slices of them, and the metadata.

    Raises:
        FileNotFoundError: there is no such file.
        StoreError: it can't be read, has no digest, or is not what was written.
    """
    from safetensors import SafetensorError, safe_open

    try:
        file = safe_open(path, "pt")
        metadata = dict(file.metadata() or {})
        known = metadata.pop(_KEY, None)
        digest = _begin(metadata)
        for name in sorted(file.keys()):
            _add(digest, name, file.get_tensor(name))
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        raise StoreError(f"{path}: {' '.join(str(error).split())}.") from error
    if known is None:
        raise StoreError(f"{path}: no digest.")
    if known != digest.hexdigest():
        raise StoreError(f"{path}: damaged (checksum mismatch).")
    return file, metadata


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a training: tensors, numbers and texts in nested dictionaries."""
    import torch

    content = io.BytesIO()
    torch.save(state, content)
    body = content.getvalue()
    path.write_bytes(body + f"sha256:{hashlib.sha256(body).hexdigest()}".encode())


def read_state(path: Path) -> dict[str, Any]:
    """Read what `write_state` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        StoreError: it can't be read, or is not what was written.
    """
    import torch

    data = read_bytes(path)
    seal, body = _SEAL.search(data[-_SEAL_BYTES:]), data[:-_SEAL_BYTES]
    if seal is None or hashlib.sha256(body).hexdigest() != seal[1].decode():
        raise StoreError(f"{path}: damaged (checksum mismatch).")
    return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)


def _begin(metadata: Mapping[str, str]) -> hashlib._Hash:
    return hashlib.sha256(repr(sorted(metadata.items())).encode())


def _add(digest: hashlib._Hash, name: str, tensor: Tensor) -> None:
    import torch

    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
    digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)

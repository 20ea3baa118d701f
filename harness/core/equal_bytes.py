"""Writing of tensors such that equal content gives equal bytes, in every process.

The libraries' own functions do not: safetensors writes the entries of its metadata in the order of
a randomly seeded hash table, and torch.save writes the name of the file into it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_METADATA = "__metadata__"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a .safetensors file."""
    from safetensors.torch import save_file

    save_file(dict(tensors), path, dict(metadata))
    with path.open("r+b") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        header[_METADATA] = dict(sorted(header[_METADATA].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        assert len(text) <= length, "the order of keys does not change the length"
        file.seek(8)
        file.write(text.ljust(length))


def write_torch(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file for `torch.load`."""
    import torch

    with path.open("wb") as file:
        torch.save(content, file)

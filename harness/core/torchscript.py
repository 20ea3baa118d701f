"""Tensors of TorchScript archives, read without TorchScript.

`torch.jit.load` compiles the archive's code and runs parts of it: a module's `__setstate__` may
write files. Here the archive is a zip of a pickle and of raw storages: the pickle is read with
placeholders for its classes, and of the code only the names of parameters and buffers, as text.
Format: torch/csrc/jit/docs/serialization.md in the source of PyTorch.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.tensor_files import Unpickler

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# What the archive calls its storages, and the attribute of torch that names their type.
_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_CLASS = re.compile(r"^class (\w+)\b", re.MULTILINE)
_NAMES = re.compile(r"^  __(?:parameters|buffers)__ = \[(.*)\]", re.MULTILINE)


def is_torchscript(path: Path) -> bool:
    """Return whether a file is a TorchScript archive; torch.load applies the same test."""
    if not (path.is_file() and zipfile.is_zipfile(path)):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """Return the parameters and buffers of an archive by name, as its state_dict() would.

    Args:
        path: the archive.
        prefix: only tensors whose names begin with it are read; the names keep it.

    Raises:
        UnpicklingError: the pickle, a class or a tensor is malformed or of an unsupported kind.
        BadZipFile: the zip is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(pickles) != 1:
            raise pickle.UnpicklingError(f"{path.name} is not a TorchScript archive")
        root = pickles[0].partition("/")[0]
        with archive.open(pickles[0]) as file:
            try:
                module = _ArchiveUnpickler(file).load()
                found = dict(_tensors(module, "", _Code(archive, root)))
            except (pickle.UnpicklingError, zipfile.BadZipFile):
                raise
            except Exception as error:  # a damaged pickle can raise almost anything
                raise pickle.UnpicklingError(
                    f"{path.name} is damaged: {type(error).__name__}: {error}"
                ) from error
        wanted = {name: place for name, place in found.items() if name.startswith(prefix)}
        return {name: _read(archive, root, place) for name, place in wanted.items()}


@dataclass(frozen=True)
class _Storage:
    """One storage of the archive; `key` is its file's name."""

    key: str
    dtype: torch.dtype
    num_elements: int


@dataclass(frozen=True)
class _Place:
    """The place of a tensor's values; offset and strides in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Module:
    """A module of the archive: its attributes, and the name of its class in the code."""

    class_name = ""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def __new__(cls, *_: Any) -> _Module:
        made = super().__new__(cls)
        made.attributes = {}
        return made

    def __setstate__(self, state: Any) -> None:
        """Take the attributes.

        Raises:
            UnpicklingError: the module has a state of its own making, which only its code can read.
        """
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(f"{self.class_name} needs its own code to be read")
        self.attributes = state


class _ArchiveUnpickler(Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return placeholders for the archive's classes and for tensors."""
        if module == "__torch__" or module.startswith("__torch__."):
            return type(name, (_Module,), {"class_name": f"{module}.{name}"})
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _place
        if module == "torch" and name in _DTYPES:
            import torch

            return getattr(torch, _DTYPES[name])
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the storage of a persistent id: ("storage", dtype, key, device, elements)."""
        import torch

        kind, dtype, key, _, num_elements = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"unknown kind of content: {kind!r} of {dtype!r}")
        return _Storage(str(key), dtype, int(num_elements))


def _place(storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> _Place:
    return _Place(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


class _Code:
    """Names of parameters and buffers, from the text of the archive's classes."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        self._archive = archive
        self._root = root
        self._known: dict[str, set[str]] = {}

    def tensors_of(self, class_name: str) -> set[str]:
        if class_name not in self._known:
            module, _, name = class_name.rpartition(".")
            file = f"{self._root}/code/{module.replace('.', '/')}.py"
            text = self._archive.read(file).decode()
            classes = list(_CLASS.finditer(text))
            ends = [match.start() for match in classes[1:]] + [len(text)]
            for match, end in zip(classes, ends, strict=True):
                lists = _NAMES.findall(text[match.start() : end])
                names = {quoted for line in lists for quoted in re.findall(r'"([^"]*)"', line)}
                self._known[f"{module}.{match[1]}"] = names
            self._known.setdefault(f"{module}.{name}", set())
        return self._known[class_name]


def _tensors(module: Any, prefix: str, code: _Code) -> Iterator[tuple[str, _Place]]:
    if not isinstance(module, _Module):
        raise pickle.UnpicklingError(f"the archive holds a {type(module).__name__}, not a module")
    registered = code.tensors_of(module.class_name)
    for name, value in module.attributes.items():
        if isinstance(value, _Place) and name in registered:
            yield f"{prefix}{name}", value
        elif isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.", code)


def _read(archive: zipfile.ZipFile, root: str, place: _Place) -> Tensor:
    import torch

    storage = place.storage
    info = archive.getinfo(f"{root}/data/{storage.key}")
    if info.compress_type != zipfile.ZIP_STORED:  # as PyTorch writes it; a bomb would be packed
        raise pickle.UnpicklingError(f"tensor data {info.filename} is compressed")
    if info.file_size != storage.num_elements * storage.dtype.itemsize:
        raise pickle.UnpicklingError(
            f"tensor data {info.filename}: {info.file_size} bytes for {storage.num_elements} "
            f"values of {storage.dtype}"
        )
    if not storage.num_elements:
        return torch.empty(place.shape, dtype=storage.dtype)
    values = torch.frombuffer(bytearray(archive.read(info)), dtype=storage.dtype)
    try:
        return values.as_strided(place.shape, place.strides, place.offset)
    except RuntimeError as error:
        raise pickle.UnpicklingError(f"a tensor leaves its data {info.filename}") from error

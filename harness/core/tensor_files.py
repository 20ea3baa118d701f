"""Tensors out of .pth files that also hold objects of the programs that wrote them.

`torch.load(weights_only=True)` refuses such files as a whole. Here those objects become inert
place-holders, so nothing of theirs is imported or run, and the tensors beside them are read.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_REBUILD = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")


class Inert:
    """Stands for an object of another program; takes whatever a pickle gives it."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Inert:
        """As of a function or a class that another object gave."""
        return self

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """As of a list."""

    def extend(self, values: Any) -> None:
        """As of a list."""


class Unpickler(pickle.Unpickler):
    """Knows the names that tensors are made of, and no others; torch.load adds the storages."""

    def find_class(self, module: str, name: str) -> Any:
        """The object called so, or the class of place-holders."""
        import torch

        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name in _REBUILD:
            return getattr(torch._utils, name)
        if module == "torch":
            found = getattr(torch, name, None)
            storage = isinstance(found, type) and name.endswith("Storage")
            if storage or name == "Size" or isinstance(found, torch.dtype):
                return found
        return Inert


def load(file: Any, **arguments: Any) -> Any:
    """What torch.load reads the parts of older files with."""
    return Unpickler(file, **arguments).load()


def loading_tensors(torch_load: Callable[..., Any]) -> Callable[..., Any]:
    """`torch.load` that reads the tensors of files it would refuse."""
    import sys

    def load_tensors(*args: Any, **kwargs: Any) -> Any:
        try:
            return torch_load(*args, **kwargs | {"weights_only": True})
        except pickle.UnpicklingError as error:
            if "Unsupported" not in str(error):
                raise
        reading = {"weights_only": False, "pickle_module": sys.modules[__name__]}
        return torch_load(*args, **kwargs | reading)

    return load_tensors

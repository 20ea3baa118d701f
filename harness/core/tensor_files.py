"""Reading of tensors from .pth files that also hold objects of the program that wrote them.

`torch.load(weights_only=True)` refuses such files. Here the foreign objects become inert
placeholders: none of their code is imported or run, and the tensors beside them are read.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_REBUILD = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")


class Inert:
    """Placeholder for an object of another program; accepts everything a pickle does to it."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Inert:
        """Stand in for a call of a class or function, and return the same placeholder."""
        return self

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Accept an item, for objects that pickle as a list."""

    def extend(self, values: Any) -> None:
        """Accept items, for objects that pickle as a list."""


class Unpickler(pickle.Unpickler):
    """Resolves only the names that tensors consist of; torch.load adds the storages."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the named object if tensors need it, else the placeholder class."""
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
    """Unpickle a part of a file; torch.load calls this for files of the older format."""
    return Unpickler(file, **arguments).load()


def loading_tensors(torch_load: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `torch.load` so that it reads the tensors of files it would refuse."""
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

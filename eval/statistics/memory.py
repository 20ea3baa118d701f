"""Results of long computations that are kept: the same numbers in give the same numbers out.

A table of 20,000 videos has hundreds of bootstraps, and one more video changes a few of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec

import numpy as np

Parameters = ParamSpec("Parameters")


class Memory:
    """Arrays by the digest of what they were computed from.

    Args:
        known: those of an earlier run.

    Attributes:
        used: those asked for since, in that order.
    """

    def __init__(self, known: Mapping[str, np.ndarray] | None = None) -> None:
        self._known = dict(known or {})
        self.used: dict[str, np.ndarray] = {}

    def find(self, digest: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Return an array that is known, or compute it."""
        if digest not in self.used:
            found = self._known.get(digest)
            self.used[digest] = compute() if found is None else found
        return self.used[digest]


_memory: ContextVar[Memory | None] = ContextVar("memory", default=None)


@contextmanager
def remembering(memory: Memory) -> Iterator[None]:
    """Let `remembered` functions use a memory."""
    token = _memory.set(memory)
    try:
        yield
    finally:
        _memory.reset(token)


def remembered(function: Callable[Parameters, np.ndarray]) -> Callable[Parameters, np.ndarray]:
    """Look results up in the memory, if there is one.

    Args:
        function: depends on its arguments alone: numbers, arrays, and lists of arrays. Its callers
            do not write into what it returns.
    """

    @wraps(function)
    def looked_up(*args: Parameters.args, **kwargs: Parameters.kwargs) -> np.ndarray:
        memory = _memory.get()
        if memory is None:
            return function(*args, **kwargs)
        digest = hashlib.blake2b(digest_size=16)
        digest.update(f"{function.__module__}.{function.__qualname__} ".encode())
        _feed(digest, [*args, *sorted(kwargs.items())])
        return memory.find(digest.hexdigest(), lambda: function(*args, **kwargs))

    return looked_up


def _feed(digest: Any, value: object) -> None:
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype} {value.shape} ".encode())
        digest.update(np.ascontiguousarray(value).data)
    elif isinstance(value, list | tuple):
        digest.update(f"{len(value)} ".encode())
        for part in value:
            _feed(digest, part)
    else:
        digest.update(f"{value!r} ".encode())

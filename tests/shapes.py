"""Shapes of tensors, checked at run time: the type checker of jaxtyping's import hook."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from beartype import beartype
from jaxtyping import AbstractArray, install_import_hook

ROOT = Path(__file__).parents[1]
ROOMS = ("backbones", "methods", "eval", "harness")


def check_shapes() -> None:
    """Check the shapes that functions and dataclasses name, from the next import on.

    Only modules that use jaxtyping are decorated, so that the rest runs as fast as ever.
    """
    files = (path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))
    names = [path.relative_to(ROOT) for path in files if "jaxtyping" in path.read_text()]
    modules = [".".join(name.with_suffix("").parts) for name in names]
    install_import_hook(modules, "tests.shapes.only_shapes")


def only_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Apply beartype to the annotations that name a shape; all others are mypy's."""
    hints = function.__annotations__
    function.__annotations__ = {name: hint for name, hint in hints.items() if _names_shape(hint)}
    return beartype(function) if function.__annotations__ else function


def _names_shape(hint: object) -> bool:
    """Return whether a hint contains a shape, as in `Float[Tensor, "frame"] | None`."""
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(_names_shape(argument) for argument in get_args(hint))

"""Plain key=value arguments of the commands that work on an existing run store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import LongtakeError, unknown_name


def parse_lists(arguments: Sequence[str], known: Sequence[str]) -> dict[str, list[str]]:
    """key=value arguments by key; a key may be given several times.

    Raises:
        LongtakeError: an unknown key, or an argument without "=".
    """
    lists: dict[str, list[str]] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key not in known:
            raise unknown_name("key", key, known)
        if not equals or not value:
            raise LongtakeError(f"{argument!r} is not of the form key=value.")
        lists.setdefault(key, []).append(value)
    return lists


def parse_pairs(arguments: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """key=value arguments as a dict; of a repeated key the last counts.

    Raises:
        LongtakeError: see `parse_lists`.
    """
    return {key: values[-1] for key, values in parse_lists(arguments, known).items()}


def sweep_folder(pairs: dict[str, str]) -> Path:
    """The run store that `sweep=` names.

    Raises:
        LongtakeError: it was left out, or there is no such folder.
    """
    if "sweep" not in pairs:
        raise LongtakeError("Which sweep? sweep=runs/NAME.")
    folder = Path(pairs["sweep"])
    if not folder.is_dir() and (Path("runs") / folder).is_dir():
        return Path("runs") / folder
    if not folder.is_dir():
        siblings = [path.name for path in folder.parent.glob("*") if path.is_dir()]
        raise unknown_name(f"sweep in {folder.parent}", folder.name, siblings)
    return folder


def numbers(text: str, key: str) -> list[float]:
    """A comma list of numbers.

    Raises:
        LongtakeError: something in it is no number.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise LongtakeError(f"{key}={text}: expected numbers separated by commas.") from error

"""Places of settings in a user's YAML files, for messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.config.overrides import Choice
from harness.core.errors import LongtakeError


@contextmanager
def named_by_file(choices: Iterable[Choice], group: str) -> Iterator[None]:
    """Add file and line to an error about a key that the YAML file of a group sets.

    Args:
        choices: one combination of the command line.
        group: backbone, method or executor.
    """
    values = [choice.value for choice in choices if choice.key == group]
    try:
        yield
    except LongtakeError as error:
        for value in values:
            if value.endswith((".yaml", ".yml")) and (line := _line_of(Path(value), str(error))):
                raise type(error)(f"{value}, line {line}: {error}") from error
        raise


def _line_of(path: Path, message: str) -> int | None:
    """Return the line of the key that a message is about; None if the file doesn't set it."""
    found = re.match(r"(?:Unknown [^']*'(\w+)'|(?:\w+\.)*(\w+)=)", message)
    if found is None:
        return None
    key = found[1] or found[2]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if re.match(rf"[\s{{-]*[\"']?{key}[\"']?\s*:", line):
            return number
    return None

"""Segments of a prompt set's item: a video whose prompt changes at given times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from backbones.engine.script import Script, Segment
from harness.core.errors import ConfigError, StoreError, unknown_name
from harness.core.typed_files import from_plain

_KEYS = tuple(field.name for field in fields(Segment))


@dataclass(frozen=True)
class _Item:
    segments: tuple[Segment, ...]


def read_segments(item: Mapping[str, Any], place: str) -> tuple[Segment, ...]:
    """Read and check the `segments` of an item.

    Args:
        item: the whole item.
        place: its file and line, for messages.

    Raises:
        ConfigError: no segments, a missing or wrong value, or a prompt beside the segments.
        UnknownName: an unknown key in a segment; names the nearest.
    """
    if "prompt" in item or "evaluation_prompt" in item:
        raise ConfigError(
            f"{place}: an item has either prompt or segments; a segment holds its own prompt and "
            "evaluation_prompt."
        )
    segments = item["segments"]
    if isinstance(segments, list):
        for index, segment in enumerate(segments):
            for key in segment if isinstance(segment, dict) else ():
                if key not in _KEYS:
                    raise unknown_name(f"key ({place}, segments[{index}])", str(key), _KEYS)
    try:
        found = from_plain({"segments": segments}, _Item, place).segments
    except StoreError as error:
        raise ConfigError(str(error)) from error
    if not found:
        raise ConfigError(f"{place}: segments is empty; expected objects with seconds and prompt.")
    # Tasks on a cluster may run in another folder.
    found = tuple(
        replace(segment, given=str(Path(segment.given).absolute())) if segment.given else segment
        for segment in found
    )
    try:
        Script(found)
    except ValueError as error:
        raise ConfigError(f"{place}: {error}.") from error
    return found

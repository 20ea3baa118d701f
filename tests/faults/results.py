"""The results in a working folder: what must be equal, however a command got there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What differs between two undisturbed runs: times, memory, the file's own digest and time.
_VOLATILE = ("finished", "timings_s", "memory_mib", "machine", "mtime_ns", "sha256_of_file")
# A page says where its sweep lies, and a digest of all it says.
_PLACE = re.compile(rb'"(?:folder|build)":"[^"]*",')
_TRAINED = ("best.safetensors", "last.safetensors", "ae_latent_mem.pt", "street.safetensors")


def results_of(folder: Path) -> dict[str, str]:
    """Return a digest of each result below `folder`, by its path."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (content := _content(path, path.relative_to(folder).parts)):
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


def differing(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """Return the paths of results that are missing, too many or not equal."""
    return sorted(
        path for path in found.keys() | expected.keys() if found.get(path) != expected.get(path)
    )


def _content(path: Path, parts: tuple[str, ...]) -> bytes | None:
    """Return what must be equal of a file; None if it is not a result."""
    if path.name in _TRAINED:
        return path.read_bytes()
    if parts[0] != "runs" or len(parts) < 3:
        return None
    kind = parts[2]
    if kind == "report" and path.suffix in (".html", ".js", ".csv", ".md", ".tex"):
        return _PLACE.sub(b"", path.read_bytes())
    if kind == "corpus" or (kind == "units" and path.name in _UNIT):
        return path.read_bytes()
    if kind == "units.jsonl":
        return b"".join(sorted(path.read_bytes().splitlines(keepends=True)))
    if path.name == "record.json" or (kind == "metrics" and path.suffix == ".json"):
        return _stable(path)
    return None


_UNIT = ("video.mp4", "latents.safetensors", "trace.jsonl")


def _stable(path: Path) -> bytes:
    try:
        tree = json.loads(path.read_bytes())
    except (ValueError, RecursionError):  # damaged, or nested too deeply
        return path.read_bytes()
    if isinstance(tree, dict):
        tree.pop("sha256", None)
    return json.dumps(_without_times(tree), sort_keys=True).encode()


def _without_times(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _without_times(part) for key, part in tree.items() if key not in _VOLATILE}
    if isinstance(tree, list):
        return [_without_times(part) for part in tree]
    return tree

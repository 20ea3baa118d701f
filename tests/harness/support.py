"""Helpers of the tests that run commands."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file, save_file

from tests.small import SMALL_STREET

GOLDEN = Path(__file__).parents[1] / "golden"

# Three seconds are four blocks of a real rollout.
_QUICK = ("duration=3", "prompts.num=1", "suite=[]", "device=cpu")
_ONE_STEP = "backbone.denoising_step_list=[1000]"
FAST = (_ONE_STEP, *_QUICK)
# Kinds of things in a working folder that may have the name of one of our packages.
FOREIGN = ("package", "module", "folder", "empty")


def unit_dirs(store: Path) -> list[Path]:
    """Folders of all units of a store."""
    return sorted((store / "units").iterdir())


def records(store: Path) -> dict[str, dict]:
    """All records of a store by unit id."""
    paths = store.glob("units/*/record.json")
    return {path.parent.name: json.loads(path.read_text()) for path in paths}


def video_hashes(store: Path) -> dict[str, str]:
    """sha256 of every finished video, by unit id."""
    return {unit_id: record["video"]["sha256"] for unit_id, record in records(store).items()}


def small(*arguments: str) -> Sequence[str]:
    """Return `arguments` after those of the small street and its prompts, if they name no others.

    A given backbone takes one denoising step.
    """
    given = {argument.partition("=")[0] for argument in arguments}
    if "backbone" in given:
        return [_ONE_STEP, *arguments]
    return [
        *(choice for choice in SMALL_STREET if choice.partition("=")[0] not in given),
        *arguments,
    ]


def sweep(*arguments: str) -> Sequence[str]:
    """Arguments of a fast sweep without a report."""
    return ["sweep", "--no-report", *small(*_QUICK, *arguments)]


def copy_rollout(name: str, folder: Path, num_latents: int) -> Path:
    """Copy the first frames of a recorded rollout of `tests/golden`; return its file."""
    recorded, copy = GOLDEN / f"{name}.safetensors", folder / f"{name}.safetensors"
    tensors = load_file(recorded)
    save_file(
        {
            "noise": tensors["noise"][:, :num_latents].clone(),
            "renoise": tensors["renoise"][:, :, :num_latents].clone(),
            "latents": tensors["latents"][:, :num_latents].clone(),
        },
        copy,
    )
    settings = json.loads(recorded.with_suffix(".json").read_text())
    settings["retrieval"] = [e for e in settings["retrieval"] if e["query_frame"] < num_latents]
    copy.with_suffix(".json").write_text(json.dumps(settings))
    return copy


def install_distribution(
    folder: Path, name: str, points: dict[str, dict[str, str]], sources: dict[str, str]
) -> None:
    """Lay out an installed distribution with plug-ins, as an installer would.

    Args:
        folder: where, to be put on the search path.
        name: name of the distribution.
        points: names to targets, by entry-point group.
        sources: text of its modules, by path.
    """
    for module, source in sources.items():
        path = folder / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = []
    for group, targets in points.items():
        lines += [f"[{group}]", *(f"{point} = {target}" for point, target in targets.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def add_foreign(folder: Path, name: str, kind: str) -> None:
    """Add something of the name of one of our packages that must never be imported."""
    wrong = f"raise RuntimeError('the wrong {kind}')"
    path = folder / name
    if kind == "module":
        path.with_suffix(".py").write_text(wrong)
        return
    path.mkdir()
    if kind == "package":
        (path / "__init__.py").write_text(wrong)
    if kind == "folder":  # a namespace package
        for module in ("base", "metric", "task"):
            (path / f"{module}.py").write_text(wrong)


def documented_keys(command: str, of: str = "") -> set[str]:
    """Keys, of all levels, that docs/records.md names for the JSON document of a command.

    `of` is what the table says after the command.
    """
    text = (Path(__file__).parents[2] / "docs" / "records.md").read_text()
    (cell,) = re.findall(
        rf"^\| `{re.escape(command)}`{re.escape(of)} \| (.*) \|$", text, re.MULTILINE
    )
    return set(re.findall(r"`(\w+)`", cell))


def keys_of(document: object, levels: int) -> set[str]:
    """Keys of a JSON document, down to some level; lists don't count as one."""
    if isinstance(document, list):
        return set().union(*(keys_of(part, levels) for part in document))
    if not isinstance(document, dict) or levels == 0:
        return set()
    return set(document) | keys_of(list(document.values()), levels - 1)

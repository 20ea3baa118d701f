"""The architecture: who may import whom, how long files are, what the command line loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("harness", "backbones", "methods", "eval", "reports", "slurm")
# Leaves that every room may use.
LEAVES = ("harness.errors", "harness.files", "harness.registry", "harness.weights_files")
ALLOWED = {
    "harness": ("harness", "backbones", "methods", "eval", "reports", "slurm"),
    "backbones": ("backbones", "methods.base", "eval.metric"),
    "methods": ("methods",),
    "eval": ("eval",),
    "reports": (
        "reports",
        "backbones",
        "methods",
        "eval.statistics",
        "eval.vbench_long.dataset",
        "eval.retrieval",
        "eval.retrieval_drift",
    ),
    "slurm": (
        "slurm",
        "harness.units",
        "harness.shards",
        "harness.store",
        "harness.files",
        "harness.events",
        "harness.worker",
        "harness.sweep",
        "harness.estimate",
        "harness.environment",
        "harness.memory_check",
        "harness.schema",
        "harness.final_scores",
        "eval.suite",
        "reports.build",
    ),
}
MAX_LINES = 400


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield node.module


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    allowed = (*ALLOWED[room], *LEAVES)
    for path in sources(room):
        for module in imported_modules(path):
            if module.partition(".")[0] in ROOMS:
                fits = any(module == name or module.startswith(f"{name}.") for name in allowed)
                assert fits, f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("room", [*ROOMS, "tests"])
def test_no_file_is_long(room: str) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in sources(room)}
    assert not {str(path): length for path, length in lengths.items() if length > MAX_LINES}


@pytest.mark.parametrize("statement", ["import harness", "main(['sweep', '--help'])"])
def test_help_never_imports_torch(statement: str) -> None:
    script = f"""
import contextlib, sys
from harness.__main__ import main
with contextlib.suppress(SystemExit):
    {statement}
heavy = {{"torch", "pandas", "hydra", "cv2", "matplotlib"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)

"""The architecture: allowed imports, lengths of files, modules that the command line loads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP = ("harness", "backbones", "methods", "eval", "reports", "slurm")
# In the order of the data: a file may import its own room and the rooms above it, nothing below.
# A path that ends in "/" is a folder with all below it that no longer path claims.
ROOMS = (
    "harness/core/",
    "methods/",
    "backbones/engine/",
    "backbones/world/",
    "backbones/wan/",
    "backbones/street/",
    "backbones/external/",
    "backbones/",
    "eval/",
    "harness/config/",
    "harness/store/",
    "harness/run/",
    "reports/",
    "harness/studies/",
    "slurm/",
    "harness/cli/",
    "harness/api/",
    "harness/",
)
MAX_LINES = 400


def room_of(path: Path) -> int:
    """Index of the room that owns a file."""
    relative = str(path.relative_to(ROOT))
    owners = [room for room in ROOMS if relative.startswith(room)]
    return ROOMS.index(max(owners, key=len))


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def file_of(module: str) -> Path | None:
    """The file of one of our modules; None for any other."""
    if module.partition(".")[0] not in TOP:
        return None
    path = ROOT / module.replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def imported_files(path: Path) -> Iterator[Path]:
    """The files of ours that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            named = []
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                named.append(inner if file_of(inner) else node.module)
        else:
            continue
        yield from filter(None, map(file_of, named))


@pytest.mark.parametrize("folder", TOP)
def test_imports_run_up_the_table_of_rooms(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {imported.relative_to(ROOT)}"
        for path in sources(folder)
        for imported in imported_files(path)
        if room_of(imported) > room_of(path)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_design_page_lists_the_rooms_in_their_order() -> None:
    page = (ROOT / "docs/design.md").read_text().partition("## Folders")[2].partition("\n## ")[0]
    named = [
        room.removesuffix("__init__.py")
        for line in page.splitlines()
        if line.startswith("| `")
        for room in re.findall(r"`([^`]+)`", line.split("|")[1])
    ]
    assert named == [room for room in ROOMS if room != "backbones/"]  # holds the registry alone


@pytest.mark.parametrize("folder", TOP)
def test_every_folder_of_modules_is_a_package(folder: str) -> None:
    folders = {path.parent for path in sources(folder)}
    assert not [str(path) for path in folders if not (path / "__init__.py").is_file()]


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph = {path: set(imported_files(path)) - {path} for room in TOP for path in sources(room)}
    done: set[Path] = set()

    def visit(path: Path, trail: tuple[Path, ...]) -> None:
        assert path not in trail, " -> ".join(str(p.relative_to(ROOT)) for p in (*trail, path))
        if path not in done:
            for imported in sorted(graph[path]):
                visit(imported, (*trail, path))
            done.add(path)

    for path in graph:
        visit(path, ())


@pytest.mark.parametrize("folder", [*TOP, "tests"])
def test_no_file_is_long(folder: str) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in sources(folder)}
    assert not {str(path): length for path, length in lengths.items() if length > MAX_LINES}


@pytest.mark.parametrize("statement", ["import harness", "main(['sweep', '--help'])"])
def test_help_imports_nothing_slow(statement: str) -> None:
    script = f"""
import contextlib, sys
from harness.__main__ import main
with contextlib.suppress(SystemExit):
    {statement}
heavy = {{"torch", "pandas", "hydra", "cv2", "matplotlib"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)


def test_a_list_of_everything_does_not_import_torch() -> None:
    script = """
import sys
from harness.__main__ import main
main(["list"])
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)


def test_a_plan_imports_no_compiler_and_no_distributions() -> None:
    """Each takes longer to import than the whole plan to make: every command would wait for it."""
    script = """
import sys
from harness.__main__ import main
main("sweep --dry-run method=rag duration=3 prompts.num=1".split())
slow = {"torch._dynamo", "scipy.stats", "pandas", "matplotlib"} & set(sys.modules)
assert not slow, slow
"""
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)

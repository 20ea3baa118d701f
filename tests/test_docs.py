"""The commands in README and docs really run, and links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """Pages tell a story: commands run in order, in one folder, beside the Python they show."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    for code in blocks(page, "python"):
        (tmp_path / "newest.py").write_text(code)
    for line in "".join(blocks(page, "bash")).splitlines():
        program, *arguments = shlex.split(line)
        assert program == "python"
        finished = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "GOMP_SPINCOUNT": "10000"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, f"{line}\n{finished.stdout}\n{finished.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_method_of_the_readme_exists() -> None:
    from harness.config.sweep import options

    table = (ROOT / "README.md").read_text().partition("## Methods")[2].partition("## On")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`(\w+)`", " ".join(first_cells)))
    assert named | {"sliding_window_absolute"} == set(options("method"))

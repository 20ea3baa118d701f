from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

PrintedBy = Callable[[dict[str, str]], None]


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PrintedBy:
    """Puts commands on PATH that print what they are told to; a text "exit N: ..." fails."""

    def install(printed: dict[str, str]) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name in ("sbatch", "srun", "squeue", "scontrol", "scancel", "sacct", "sinfo"):
            text = printed.get(name, "")
            (folder / f"{name}.txt").write_text(
                text.partition(": ")[2] if text[:5] == "exit " else text
            )
            code = text[5] if text.startswith("exit ") else "0"
            stream = "&2" if code != "0" else "&1"
            (folder / name).write_text(
                f"#!/bin/sh\n/bin/cat {folder}/{name}.txt >{stream}\nexit {code}\n"
            )
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return install

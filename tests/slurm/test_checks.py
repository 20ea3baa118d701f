from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from harness.core.errors import LongtakeError
from slurm import checks


def test_a_link_to_a_local_folder_is_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "nodes_are_here", lambda: False)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        link = tmp_path / "runs"
        link.symlink_to(folder)
        with pytest.raises(LongtakeError, match="under /dev/shm, which other nodes can't see"):
            checks.check_store(link)

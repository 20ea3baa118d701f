from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from slurm.checks import preflight


def test_a_link_to_a_local_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "nodes_are_here", lambda: False)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        link = tmp_path / "runs"
        link.symlink_to(folder)
        with pytest.raises(ConfigError, match="under /dev/shm, which other nodes cannot see"):
            preflight.check_store(link)

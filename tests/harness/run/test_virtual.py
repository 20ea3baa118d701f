"""A sweep of a method with virtual frames, resumed after kill -9."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.harness.run.test_scripts import FILES, run
from tests.harness.support import records

pytestmark = pytest.mark.slow

# Kills its own process while it plans a block after the first merges, if asked to.
MORTAL = """
import os, signal
from pathlib import Path
from methods.published.fademem import FadeMem

class Mortal(FadeMem):
    def plan(self, first_frame):
        if hasattr(self, "schedule") and first_frame == 18 and Path("kill").exists():
            if Path("started").exists():
                Path("kill").unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().plan(first_frame)

    def observe(self, latents, first_frame):
        Path("started").touch()
"""


def test_kill_9_after_a_merge_and_resume_gives_equal_bytes(tmp_path: Path) -> None:
    (tmp_path / "mortal.py").write_text(MORTAL)
    (tmp_path / "kill").touch()
    common = ("method=mortal:Mortal", "save_every_blocks=1")
    assert run(tmp_path, *common) == -signal.SIGKILL
    assert not records(tmp_path / "runs/main")
    assert run(tmp_path, *common) == 0
    assert run(tmp_path, *common, "name=undisturbed") == 0
    stores = [tmp_path / "runs" / name for name in ("main", "undisturbed")]
    (unit,) = records(stores[0])
    for file in FILES:
        one, other = ((store / "units" / unit / file).read_bytes() for store in stores)
        assert one == other
    record = records(stores[0])[unit]["generation"]
    assert "replay" in record["timings_s"]
    assert record["memory_mib"]["kv_virtual"] > 0
    lines = (stores[0] / "units" / unit / "trace.jsonl").read_text().splitlines()
    assert [bool(json.loads(line).get("writes")) for line in lines] == [False] * 4 + [True] * 4

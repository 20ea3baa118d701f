"""A sweep after a given beginning, of methods with merged frames, evidence and groups, killed -9.

Every method kills its own process once while it plans a block behind the first ones that use what
it is here for, so each unit is resumed by a real process of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from backbones.street.model import LATENT_SHAPE
from harness.store.frames import load_sweep
from tests.harness.conftest import Result
from tests.harness.run.test_scripts import FILES, WALK, run
from tests.harness.support import sweep

pytestmark = pytest.mark.slow

MORTAL = """
import os, signal
from dataclasses import dataclass
from pathlib import Path
from methods.base import Pass
from methods.published.fademem import FadeMem
from methods.published.head_split import HeadSplit
from methods.published.tethercache import TetherCache

class Mortal:
    observed = False

    def observe(self, latents, first_frame):
        self.observed = True
        super().observe(latents, first_frame)

    def plan(self, first_frame):
        kill = Path(f"kill_{type(self).__name__}")
        if self.observed and first_frame == 18 and kill.exists():
            kill.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().plan(first_frame)

class Merged(Mortal, FadeMem):
    pass

class Attended(Mortal, TetherCache):
    pass

@dataclass
class Grouped(Mortal, HeadSplit):
    share: float = 0.34
"""
METHODS = ("Merged", "Attended", "Grouped")


def test_kill_9_of_every_contract_and_resume_gives_equal_bytes(
    cli: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "mortal.py").write_text(MORTAL)
    latents = torch.randn(12, *LATENT_SHAPE, generator=torch.Generator().manual_seed(0))
    save_file({"latents": latents}, tmp_path / "given.safetensors")
    segments = [
        {"seconds": 3, "prompt": WALK, "given": "given.safetensors"},
        {"seconds": 3, "prompt": WALK},
    ]
    (tmp_path / "given.jsonl").write_text(json.dumps({"id": "a", "segments": segments}))
    methods = ",".join(f"mortal:{name}" for name in METHODS)
    common = (f"method={methods}", "prompts=given.jsonl", "save_every_blocks=1")
    for name in METHODS:
        (tmp_path / f"kill_{name}").touch()
    assert run(tmp_path, *common) == 1, "the command goes on after each"
    assert len(list(tmp_path.glob("runs/main/units/*/failure.json"))) == len(METHODS)
    assert len(list(tmp_path.glob("runs/main/units/*/partial"))) == len(METHODS)
    assert cli(*sweep("duration=6", *common)).code == 0
    assert cli(*sweep("duration=6", *common, "name=undisturbed")).code == 0
    stores = [tmp_path / "runs" / name for name in ("main", "undisturbed")]
    made = load_sweep(stores[0]).units
    units = dict(zip(made["method"], made["unit_id"], strict=True))
    assert set(units) == set(METHODS)
    for unit in units.values():
        for file in FILES:
            one, other = ((store / "units" / unit / file).read_bytes() for store in stores)
            assert one == other
    merged, attended, grouped = (trace(stores[0], units[name]) for name in METHODS)
    assert [bool(line.get("writes")) for line in merged] == [False] * 4 + [True] * 4
    assert [bool(line.get("groups")) for line in grouped] == [False] * 4 + [True] * 4
    assert attended[-1]["writes"], "frames chosen by attention are moved by AdaIN"


def trace(store: Path, unit: str) -> list[dict[str, Any]]:
    lines = (store / "units" / unit / "trace.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]

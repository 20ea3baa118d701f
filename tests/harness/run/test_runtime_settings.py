"""Settings of the engine on the command line: determinism, memory, kernels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from harness.core.determinism import strictly_deterministic
from harness.core.errors import LongtakeError
from tests.harness.support import records, sweep, video_hashes

pytestmark = pytest.mark.slow

STORE = Path("runs/main")
# An operation without a deterministic kernel, on any device.
SCATTERING = """
from dataclasses import dataclass
import torch
from methods.sliding_window import SlidingWindow

@dataclass
class Scattering(SlidingWindow):
    def observe(self, latents, first_frame):
        torch.zeros(4).put_(torch.tensor([0, 0]), torch.ones(2), accumulate=False)
"""
EXHAUSTING = """
from dataclasses import dataclass
import torch
from methods.sliding_window import SlidingWindow

@dataclass
class Exhausting(SlidingWindow):
    def observe(self, latents, first_frame):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
"""


def test_settings_of_the_engine_do_not_make_another_video(cli) -> None:
    assert cli(*sweep("method=rag", "name=a")).code == 0
    spilling = ("kv.host_gib=0.01", "deterministic=true", "kernels.attention=flash")
    assert cli(*sweep("method=rag", "name=b", *spilling)).code == 0
    assert video_hashes(Path("runs/a")) == video_hashes(Path("runs/b"))
    (record,) = records(Path("runs/b")).values()
    assert record["generation"]["kernels"] == {
        "attention": "flash",
        "compiled": False,
        "cuda_graphs": False,
        "deterministic": True,
    }
    assert record["generation"]["memory_mib"]["kv_device"] > 0


def test_an_operation_that_cannot_be_repeated_is_named(cli) -> None:
    Path("scattering.py").write_text(SCATTERING)
    assert cli(*sweep("method=scattering:Scattering", "name=loose")).code == 0
    result = cli(*sweep("method=scattering:Scattering,rag", "deterministic=true"))
    assert result.code == 1
    assert "put_ does not have a deterministic implementation" in " ".join(result.out.split())
    assert len(records(STORE)) == 1  # the other unit was made
    assert not torch.are_deterministic_algorithms_enabled()


def test_other_errors_pass_through_strict_determinism() -> None:
    with pytest.raises(RuntimeError, match="something else"), strictly_deterministic(True):
        raise RuntimeError("something else")
    with pytest.raises(LongtakeError, match="put_"), strictly_deterministic(True):
        torch.zeros(4).put_(torch.tensor([0, 0]), torch.ones(2), accumulate=False)


def test_running_out_of_memory_fails_one_unit_and_the_next_one_runs(cli) -> None:
    Path("exhausting.py").write_text(EXHAUSTING)
    result = cli(*sweep("method=exhausting:Exhausting,sliding_window"))
    assert result.code == 1
    (failure,) = STORE.glob("units/*/failure.json")
    error = json.loads(failure.read_text())["error"]
    assert "out of memory" in error
    assert "kv.device_gib" in error
    assert len(records(STORE)) == 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("kv.host_gb=3", "Did you mean"),
        ("kv.host_gib=-3", "kv.host_gib must be a number"),
        ("kernels.attention=flsh", "attention"),
        ("deterministic=perhaps", "deterministic"),
    ],
)
def test_wrong_settings_are_refused(cli, setting: str, message: str) -> None:
    result = cli(*sweep(setting))
    assert result.code == 2
    assert message in result.err

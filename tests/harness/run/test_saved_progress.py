"""Saved progress that is damaged, foreign or outdated is never continued from."""

from __future__ import annotations

import contextlib
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from harness.__main__ import main
from harness.store.run_store import RunStore
from tests.harness.support import records, sweep, unit_dirs, video_hashes
from tests.small import WEIGHTS

pytestmark = pytest.mark.slow

STORE = Path("runs/main")
# Stops like a crash, at the last block, while a file `stop` exists; with a file `other`, it
# plans differently from the second block on, as no strategy should.
STOPPING = """
from dataclasses import dataclass, replace
from pathlib import Path
from methods.sliding_window import SlidingWindow

@dataclass
class Stopping(SlidingWindow):
    def plan(self, first_frame):
        if first_frame == 12 and Path("stop").exists():
            raise RuntimeError("stopped")
        plan = super().plan(first_frame)
        if first_frame >= 3 and Path("other").exists():
            plan = replace(plan, positions=tuple(p + 1 for p in plan.positions))
            plan = replace(plan, query_positions=tuple(p + 1 for p in plan.query_positions))
        return plan
"""
ARGUMENTS = sweep("method=stopping:Stopping", "duration=3.75", "save_every_blocks=1")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an unfinished unit (two saved chunks) and the sweep `undisturbed`."""
    folder = tmp_path_factory.mktemp("stopped")
    with contextlib.chdir(folder):
        Path("stopping.py").write_text(STOPPING)
        assert main([*ARGUMENTS, "name=undisturbed"]) == 0
        Path("stop").touch()
        assert main(ARGUMENTS) == 1
        Path("stop").unlink()
        (unit,) = unit_dirs(STORE)
        assert [path.name for path in sorted((unit / "partial").iterdir())] == [
            "000000.safetensors",
            "000003.safetensors",
        ]
    return folder


@pytest.fixture
def unit(stopped: Path, tmp_path: Path, cli) -> Path:
    """The folder of the unfinished unit, in a copy that the test may damage."""
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    (folder,) = unit_dirs(STORE)
    return folder.absolute()


def flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def rewrite(path: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Change the tensor and keep everything else."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file({"latents": change(load_file(path)["latents"]).contiguous()}, path, metadata)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flipped byte": flip_last_byte,
    "truncated": truncate,
    "empty": lambda path: path.write_bytes(b""),
    "NaN": lambda path: rewrite(path, lambda latents: latents * torch.nan),
    "double precision": lambda path: rewrite(path, torch.Tensor.double),
    "other shape": lambda path: rewrite(path, lambda latents: latents[:, :, :4]),
    "no whole block": lambda path: rewrite(path, lambda latents: latents[:2]),
    "no digest": lambda path: save_file(load_file(path), path),
    "other place": lambda path: shutil.copy(path, path.with_name("000003.safetensors")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_chunk_is_named_and_made_again(cli, unit: Path, damage: str) -> None:
    DAMAGE[damage](unit / "partial/000000.safetensors")
    result = cli(*ARGUMENTS)
    assert result.code == 0
    name = "000003" if damage == "other place" else "000000"
    assert f"partial/{name}.safetensors: " in result.out
    assert "regenerating" in result.out
    assert video_hashes(STORE) == video_hashes(Path("runs/undisturbed"))


def test_without_its_first_chunk_a_unit_starts_over(cli, unit: Path) -> None:
    (unit / "partial/000000.safetensors").unlink()
    assert cli(*ARGUMENTS).code == 0
    assert video_hashes(STORE) == video_hashes(Path("runs/undisturbed"))


def test_a_chunk_of_another_unit_is_not_continued_from(cli, unit: Path) -> None:
    Path("stop").touch()
    assert cli(*ARGUMENTS, "seed=1").code == 1
    Path("stop").unlink()
    (other,) = (folder for folder in unit_dirs(STORE) if folder.name != unit.name)
    shutil.copy(other.absolute() / "partial/000000.safetensors", unit / "partial")
    result = cli(*ARGUMENTS)
    assert "checksum mismatch" in result.out
    assert video_hashes(STORE)[unit.name] == video_hashes(Path("runs/undisturbed"))[unit.name]


def test_blocks_saved_with_another_plan_are_made_again(cli, unit: Path) -> None:
    Path("other").touch()
    result = cli(*ARGUMENTS)
    assert result.code == 0
    assert "block 1 was saved with a different plan" in result.out
    assert cli(*ARGUMENTS, "name=fresh").code == 0
    assert video_hashes(STORE) == video_hashes(Path("runs/fresh"))
    for file in ("latents.safetensors", "trace.jsonl"):
        assert (unit / file).read_bytes() == (
            Path("runs/fresh/units") / unit.name / file
        ).read_bytes()


def test_a_longer_video_does_not_begin_with_damaged_latents(cli) -> None:
    assert cli(*sweep("method=rag")).code == 0
    (unit,) = unit_dirs(STORE)
    flip_last_byte(unit / "latents.safetensors")
    longer = cli(*sweep("method=rag", "duration=6"))
    assert longer.code == 0
    assert "latents.safetensors: damaged (checksum mismatch)" in longer.out
    assert cli(*sweep("method=rag", "duration=6", "name=fresh")).code == 0
    assert video_hashes(STORE) == video_hashes(Path("runs/fresh"))


def test_latents_that_are_not_finite_fail_the_unit_at_their_block(cli, tmp_path: Path) -> None:
    path = tmp_path / "street.safetensors"
    with safe_open(WEIGHTS, "pt") as file:
        metadata = file.metadata()
    save_file({k: v * torch.nan for k, v in load_file(WEIGHTS).items()}, path, metadata)
    result = cli(*sweep(f"backbone.weights={path}", "method=sliding_window"))
    assert result.code == 1
    assert "Block 0 (latent frames from 0) has values that are NaN" in result.out
    assert not records(STORE)
    assert not list(STORE.rglob("video.mp4"))


def test_all_files_of_a_store_have_the_mode_that_the_umask_asks_for(cli) -> None:
    import os

    before = os.umask(0o002)
    try:
        arguments = [a for a in sweep("method=rag") if not a.startswith("suite")]
        assert cli(*arguments, "suite=flicker_stability").code == 0
    finally:
        os.umask(before)
    modes = {
        path.name: stat.filemode(path.stat().st_mode)
        for path in STORE.rglob("*")
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) != 0o664
    }
    assert not modes


def test_progress_is_read_up_to_the_first_damaged_chunk(tmp_path: Path) -> None:
    store, latents = RunStore(tmp_path), torch.arange(9.0).reshape(9, 1, 1, 1)
    for first in (0, 3, 6):
        store.save_chunk("u", first, latents[first : first + 3], [f"plan {first}"])
    damage: list[str] = []
    whole = store.saved_progress("u", damage.append)
    assert whole is not None and not damage
    assert torch.equal(whole.latents, latents)
    assert whole.trace == ("plan 0", "plan 3", "plan 6")
    flip_last_byte(store.chunk_path("u", 3))
    part = store.saved_progress("u", damage.append)
    assert part is not None
    assert torch.equal(part.latents, latents[:3])
    assert len(damage) == 1 and "000003.safetensors" in damage[0]

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.store.frames import load_sweep
from tests.harness.support import sweep, unit_dirs

pytestmark = pytest.mark.slow

STORE = Path("runs/main")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a sweep of one scored unit."""
    folder = tmp_path_factory.mktemp("whole")
    arguments = [a for a in sweep("method=rag") if not a.startswith("suite")]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([*arguments, "suite=flicker_stability"]) == 0
    yield folder


@pytest.fixture
def unit(whole: Path, tmp_path: Path, cli) -> Path:
    """The unit's folder in a copy that the test may damage."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    (folder,) = unit_dirs(STORE)
    return folder


def flip(path: Path, place: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def flip_keeping_time(path: Path) -> None:
    import os

    stat = path.stat()
    flip(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def change_digit(path: Path) -> None:
    text = path.read_text()
    place = text.index('"seed": 0') if '"seed": 0' in text else text.index('"fps": 16')
    path.write_text(text[:place] + text[place:].replace("0", "1", 1).replace("16", "15", 1))


FILES: dict[str, Callable[[Path], object]] = {
    "video.mp4": flip_keeping_time,
    "latents.safetensors": flip,
    "trace.jsonl": lambda path: path.write_text(path.read_text().replace("0", "1", 1)),
    "record.json": change_digit,
    "metrics": change_digit,
}


def test_an_undamaged_sweep_has_no_faults(cli, unit: Path) -> None:
    result = cli("verify", "sweep=runs/main")
    assert result.code == 0
    assert "1 units, 0 wrong files." in result.out


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_named_and_made_again_after_repair(cli, unit: Path, name: str) -> None:
    is_score = name == "metrics"
    path = next((STORE / "metrics").glob("*/*.json")) if is_score else unit / name
    before = path.read_bytes()
    FILES[name](path)
    assert path.read_bytes() != before
    result = cli("verify", "sweep=runs/main", "--json")
    assert result.code == 1
    (fault,) = json.loads(result.out)["faults"]
    assert fault["file"] == path.relative_to(STORE).as_posix()
    assert fault["reason"].startswith("damaged")
    repaired = cli("verify", "sweep=runs/main", "--repair")
    assert repaired.code == 1
    arguments = [a for a in sweep("method=rag", "duration=3,6") if not a.startswith("suite")]
    assert cli(*arguments, "suite=flicker_stability").code == 0
    assert cli("verify", "sweep=runs/main").code == 0


@pytest.mark.parametrize("name", ["units.jsonl", "sweep.yaml"])
def test_a_changed_letter_in_valid_text_is_found(cli, unit: Path, name: str) -> None:
    """By `verify`, `status`, and the sweep command, which `resume` runs and which mends it."""
    path = STORE / name
    before = path.read_bytes()
    changed = before.replace(b"sliding", b"slidinG").replace(b"rag", b"raG")
    path.write_bytes(changed)
    assert changed != before
    (fault,) = json.loads(cli("verify", "main", "--json").out)["faults"]
    assert fault["file"] == name
    assert "checksum mismatch" in fault["reason"]
    refused = cli("status", "main")
    assert refused.code == 2
    assert name in refused.err and "Run the sweep command again" in refused.err
    if name == "units.jsonl":
        again = cli("resume", "main")
    else:  # which knows no command any more
        assert name in cli("resume", "main").err
        arguments = [a for a in sweep("method=rag") if not a.startswith("suite")]
        again = cli(*arguments, "suite=flicker_stability")
    assert again.code == 0
    assert name in again.out.replace("\n", "")
    assert json.loads(cli("verify", "main", "--json").out)["faults"] == []
    if name == "units.jsonl":
        assert path.read_bytes() == before


def test_a_whole_line_that_is_lost_is_named_and_written_again(cli, unit: Path) -> None:
    path = STORE / "units.jsonl"
    before = path.read_bytes()
    path.write_bytes(b"")
    reason = "1 of 1 lines are missing: removed by hand, or lost"
    (fault,) = json.loads(cli("verify", "main", "--json").out)["faults"]
    assert (fault["file"], fault["reason"]) == ("units.jsonl", reason)
    assert f"units.jsonl: {reason}" in cli("status", "main").out.replace("\n", " ")
    assert f"units.jsonl: {reason}." in load_sweep(STORE).warnings
    again = cli("resume", "main")
    assert again.code == 0
    assert reason in again.out.replace("\n", " ")
    assert path.read_bytes() == before
    assert cli("verify", "main").code == 0


def test_damaged_lines_and_a_missing_header_are_named(cli, unit: Path) -> None:
    lines = STORE / "units.jsonl"
    lines.write_bytes(b"[" * 100_000 + b"\n" + lines.read_bytes())
    (STORE / "sweep.yaml").unlink()
    result = cli("verify", "sweep=main", "--json")
    assert result.code == 1
    assert [fault["file"] for fault in json.loads(result.out)["faults"]] == [
        "sweep.yaml",
        "units.jsonl",
    ]

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from harness.core.equal_bytes import write_torch
from harness.core.errors import StoreError
from harness.core.sealed import open_sealed, read_state, write_sealed, write_state

TENSORS = {"b": torch.arange(6.0).view(2, 3), "a": torch.ones((), dtype=torch.int64)}
STATE = {"model": {"w": torch.arange(4.0)}, "step": 3, "lines": [{"loss": 0.5}]}


def test_tensors_come_back_with_their_metadata(tmp_path: Path) -> None:
    write_sealed(tmp_path / "x", TENSORS, {"origin": "é\n", "seed": "1"})
    file, metadata = open_sealed(tmp_path / "x")
    assert metadata == {"origin": "é\n", "seed": "1"}
    assert all(torch.equal(file.get_tensor(name), TENSORS[name]) for name in TENSORS)


@pytest.mark.slow
def test_every_process_writes_the_same_bytes(tmp_path: Path) -> None:
    """The metadata of safetensors is in random order; torch.save writes the name of the file."""
    code = (
        "import sys; from pathlib import Path; from harness.core.equal_bytes import write_tensors\n"
        "import torch; keys = [str(i) for i in range(20)]\n"
        "write_tensors(Path(sys.argv[1]), {'t': torch.ones(3)}, dict.fromkeys(keys, 'x'))"
    )
    for name in ("one", "two"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], check=True)
        write_torch(tmp_path / f"{name}.pt", STATE)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()


def test_any_changed_byte_is_found(tmp_path: Path) -> None:
    write_sealed(tmp_path / "x", TENSORS, {"seed": "1"})
    write_state(tmp_path / "s", STATE)
    for path, read in ((tmp_path / "x", open_sealed), (tmp_path / "s", read_state)):
        read(path)
        content = path.read_bytes()
        for place in range(0, len(content), 7):
            changed = bytearray(content)
            changed[place] ^= 16
            path.write_bytes(changed)
            with pytest.raises(StoreError, match=str(path)):
                read(path)
        path.write_bytes(content[:-1])
        with pytest.raises(StoreError, match=str(path)):
            read(path)
        path.unlink()
        with pytest.raises(FileNotFoundError):
            read(path)


def test_a_state_comes_back(tmp_path: Path) -> None:
    write_state(tmp_path / "s", STATE)
    found = read_state(tmp_path / "s")
    assert torch.equal(found["model"].pop("w"), STATE["model"]["w"])
    assert found == {"model": {}, "step": 3, "lines": [{"loss": 0.5}]}

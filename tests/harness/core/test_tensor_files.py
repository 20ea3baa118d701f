from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.core.tensor_files import Inert, loading_tensors


class Settings(list):  # type: ignore[type-arg]
    """Some program's own class: a list with attributes."""

    made = 0

    def __init__(self, *values: int) -> None:
        super().__init__(values)
        type(self).made += 1
        self.lr = 0.1


class Evil:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("touched"),)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_tensors_beside_foreign_objects_are_read_and_nothing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.float16)}
    content = {"state_dict": weights, "config": Settings(1, 2), "note": "x", "evil": Evil()}
    path = tmp_path / "file.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path)
    made = Settings.made

    found = loading_tensors(torch.load)(path, map_location="cpu")

    assert found["note"] == "x"
    assert isinstance(found["config"], Inert) and isinstance(found["evil"], Inert)
    assert Settings.made == made and not Path("touched").exists()
    for name, tensor in weights.items():
        torch.testing.assert_close(found["state_dict"][name], tensor, rtol=0, atol=0)


def test_a_file_that_is_no_checkpoint_is_still_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises((pickle.UnpicklingError, RuntimeError, EOFError)):
        loading_tensors(torch.load)(path)

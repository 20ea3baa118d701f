"""Failures of the disk are told from all other errors, whatever library reports them."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
from safetensors import SafetensorError

from harness.core.disk import check_trace, disk_error, is_disk_text
from harness.core.errors import DeviceError, DiskError, EnvironmentFailed, StoreError


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG])
def test_each_reason_is_one_line_with_the_place(number: int) -> None:
    named = disk_error(OSError(number, os.strerror(number), "/scratch/a.mp4"), Path("/store"))
    unnamed = disk_error(OSError(number, os.strerror(number)), Path("/store"))
    assert isinstance(named, DiskError) and named.exit_code == 3
    place = r": {} \(\d+ MiB free\)\. Finished work is kept"
    assert re.search(place.format("/scratch/a.mp4"), str(named))
    assert re.search(place.format("/store"), str(unnamed))
    assert is_disk_text(str(named)) and not is_disk_text("cuda is lost")
    assert "\n" not in str(named)
    assert ". Finished work is kept" in str(disk_error(OSError(number, "")))


def test_a_device_that_takes_no_more_is_a_full_disk() -> None:
    with pytest.raises(OSError) as caught, Path("/dev/full").open("w") as file:
        file.write("text")
    assert "No space is left" in str(disk_error(caught.value, Path("/dev/full")))


def test_errors_of_other_libraries_are_read() -> None:
    text = "Error while serializing: I/O error: No space left on device (os error 28)"
    assert disk_error(SafetensorError(text), Path("/store"))
    assert disk_error(SafetensorError("No such file or directory (os error 2)"), Path()) is None


def test_the_cause_of_an_error_counts() -> None:
    try:
        try:
            raise OSError(errno.ENOSPC, "full")
        except OSError as error:
            raise StoreError("units.jsonl can't be written") from error
    except StoreError as error:
        found = disk_error(error, Path("/store"))
    assert found is not None
    assert disk_error(found, Path("/other")) is found


def test_an_error_that_is_its_own_cause_is_looked_at_once() -> None:
    error = ValueError("odd")
    error.__cause__ = error
    assert disk_error(error) is None


@pytest.mark.parametrize("error", [OSError("full"), FileNotFoundError(2, "no"), KeyError(28)])
def test_other_errors_are_not_the_disk(error: Exception) -> None:
    assert disk_error(error, Path()) is None
    assert disk_error(None, Path()) is None


def test_failures_of_the_environment_share_a_class() -> None:
    assert issubclass(DiskError, EnvironmentFailed) and issubclass(DeviceError, EnvironmentFailed)


def test_a_profile_that_was_cut_is_told_from_a_whole_one(tmp_path: Path) -> None:
    """torch says nothing; a whole one of torch is checked where the bench is tested."""
    path = tmp_path / "trace.json"
    whole = '{"traceEvents": [{"ph": "X"}],"traceName": "t" }\n'
    path.write_text(whole)
    check_trace(path)
    for cut in (whole[:-3], whole[:28], ""):
        path.write_text(cut)
        with pytest.raises(DiskError, match=r"MiB free\) was not written to its end"):
            check_trace(path)
    path.unlink()
    with pytest.raises(DiskError):
        check_trace(path)

"""The choice of a device, and what its errors mean, without a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.cli.sweep_story import warn_of_device
from harness.cli.terminal import Terminal
from harness.core import devices
from harness.core.determinism import full_float32
from harness.core.devices import (
    device_lost,
    pick_device,
    ran_out_of_memory,
    unseen_gpu,
    visible_gpus,
)
from harness.core.errors import ConfigError, DeviceError


@pytest.fixture
def gpu_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that knows a GPU, and a torch that cannot use it."""
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    (tmp_path / "version").write_text("535.104.05\n")
    monkeypatch.setattr(devices, "_GPUS", tmp_path / "gpus")
    monkeypatch.setattr(devices, "_DRIVER", tmp_path / "version")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.usefixtures("gpu_there")
def test_auto_refuses_a_gpu_that_a_torch_for_gpus_cannot_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    for choose in (pick_device, visible_gpus):
        with pytest.raises(DeviceError, match=r"535\.104\.05.*built for CUDA 13\.0.*device=cpu"):
            choose("auto")
    with pytest.raises(DeviceError, match=r"has 0 CUDA devices\. .*535\.104\.05.*CUDA 13\.0"):
        pick_device("cuda")
    assert pick_device("cpu").type == "cpu"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # hidden on purpose
    assert pick_device("auto").type == "cpu" and not unseen_gpu()


@pytest.mark.usefixtures("gpu_there")
def test_auto_warns_beside_a_gpu_where_torch_is_for_processors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert pick_device("auto").type == "cpu" and visible_gpus("auto") == []
    warn_of_device("auto", Terminal())
    told = capsys.readouterr()
    assert len((told.out + told.err).splitlines()) == 1
    assert "a CPU build" in told.out + told.err
    warn_of_device("cpu", Terminal())
    assert capsys.readouterr() == ("", "")


def test_auto_is_the_processor_where_no_gpu_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_GPUS", tmp_path / "none")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto").type == "cpu"


@pytest.mark.parametrize(
    ("device", "visible", "expected"),
    [
        ("cuda:1", "4,7", ["7"]),
        ("cuda", "4,7", ["4", "7"]),
        ("cuda:0", None, ["0"]),
        # A process sees one slice, but every slice can have a process.
        ("cuda", "MIG-a,MIG-b,MIG-c", ["MIG-a", "MIG-b", "MIG-c"]),
        ("cuda:2", "MIG-a,MIG-b,MIG-c", ["MIG-c"]),
    ],
)
def test_gpus_are_named_as_the_cluster_names_them(
    device: str, visible: str | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = visible is not None and visible.startswith("MIG")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1 if slices else 2)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpus(device) == expected


@pytest.mark.parametrize("device", ["cuda:2", "cuda:0"])
def test_a_gpu_that_is_not_there_is_named(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(device == "cuda:2"))
    with pytest.raises(DeviceError, match=f"device='{device}', but this machine has"):
        visible_gpus(device)
    with pytest.raises(ConfigError, match="is not auto, cpu, cuda"):
        visible_gpus("cuda:x")


@pytest.mark.parametrize(
    ("workers", "free", "expected"),
    [(1, 76, 76), (2, 76, 40 - 1 - 0.6), (2, 20, 20), (8, 76, 10 - 1 - 0.6)],
)
def test_workers_of_one_gpu_share_its_memory(
    workers: int, free: int, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker may take its part, its models included, and what is free at most."""
    gib = 2**30
    monkeypatch.setattr(devices, "device_workers", lambda: workers)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free * gib, 80 * gib))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: gib)
    found = devices.free_device_bytes(torch.device("cuda", 0))
    assert found / gib == pytest.approx(expected, abs=0.02)


def caused_by(cause: Exception) -> Exception:
    error = ValueError("a wrapper")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("CUDA error: device-side assert triggered\nMore"), True),
        (caused_by(RuntimeError("CUDA error: uncorrectable ECC error encountered")), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), False),
        (RuntimeError("CUDA error: out of memory"), False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_INVALID_VALUE when calling `cublasGemm`"), False),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemm`"),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_INTERNAL_ERROR when calling `cublasGemm`"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("CUDA error: said by somebody else"), False),
    ],
)
def test_only_errors_that_stay_with_the_process_mean_a_lost_device(
    error: Exception, lost: bool
) -> None:
    found = device_lost(error)
    assert (found is not None) == lost
    if found is not None:
        assert "\n" not in str(found) and device_lost(found) is found


def test_lack_of_memory_is_told_from_other_errors() -> None:
    assert ran_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert ran_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    assert ran_out_of_memory(MemoryError())
    for library in ("CUDA error: CUBLAS", "cuDNN error: CUDNN"):
        assert ran_out_of_memory(RuntimeError(f"{library}_STATUS_ALLOC_FAILED when calling it"))
    assert not ran_out_of_memory(RuntimeError("shapes differ"))
    assert not ran_out_of_memory(ValueError("out of memory"))


def test_tf32_is_off_in_full_float32_and_as_before_after_it() -> None:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = (cudnn.allow_tf32, matmul.allow_tf32)
    assert before[0]
    with full_float32():
        assert not cudnn.allow_tf32 and not matmul.allow_tf32
    assert (cudnn.allow_tf32, matmul.allow_tf32) == before

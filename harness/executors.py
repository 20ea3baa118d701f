"""Executors: run shards here, one after the other, or in worker processes on this machine."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.config import ExecutorKind, ExecutorSettings
from harness.environment import num_cores
from harness.events import Event, EventKind
from harness.shards import Shard
from harness.store import RunStore
from harness.worker import Emit, StopRequested, run_shard

_POLL_S = 0.2


def num_workers(settings: ExecutorSettings, device: str) -> int:
    """Worker processes: as asked, else one per GPU, else one per CPU core."""
    if settings.kind is ExecutorKind.inline:
        return 1
    return settings.workers or _num_gpus(device) or num_cores()


def num_threads(settings: ExecutorSettings, device: str) -> int:
    """CPU threads of one worker: as asked, else an even share of the cores."""
    return settings.threads or max(1, num_cores() // num_workers(settings, device))


def run_shards(
    shards: Sequence[Shard], settings: ExecutorSettings, emit: Emit, stop_requested: StopRequested
) -> None:
    """Run all shards, reporting through `emit`; return early once asked to stop."""
    if settings.kind is ExecutorKind.inline:
        for shard in shards:
            run_shard(shard, emit, stop_requested)
    else:
        _run_in_processes(shards, settings, emit, stop_requested)


def _run_in_processes(
    shards: Sequence[Shard], settings: ExecutorSettings, emit: Emit, stop_requested: StopRequested
) -> None:
    """Each shard gets a process of its own, as many at once as there are workers."""
    device = shards[0].device if shards else "cpu"
    waiting: queue.SimpleQueue[Shard] = queue.SimpleQueue()
    for shard in shards:
        waiting.put(shard)
    events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    stopping = threading.Event()

    def work(worker: int) -> None:
        try:
            while not stopping.is_set():
                _run_process(waiting.get_nowait(), worker, events, stopping)
        except queue.Empty:
            pass
        finally:
            events.put(None)

    workers = min(num_workers(settings, device), len(shards))
    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(workers)]
    for thread in threads:
        thread.start()
    running = workers
    while running:
        if stop_requested():
            stopping.set()
        try:
            event = events.get(timeout=_POLL_S)
        except queue.Empty:
            continue
        if event is None:
            running -= 1
        else:
            emit(event)
    for thread in threads:
        thread.join()


def _run_process(
    shard: Shard, worker: int, events: queue.SimpleQueue[Event | None], stopping: threading.Event
) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": str(shard.threads)}
    if gpus := _num_gpus(shard.device):
        environment["CUDA_VISIBLE_DEVICES"] = str(worker % gpus)
        shard = replace(shard, device="cuda")
    with tempfile.TemporaryDirectory(prefix="longtake-") as folder:
        path, log_path = Path(folder) / "shard.json", Path(folder) / "stderr"
        shard.write(path)
        with log_path.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "harness", "worker", str(path)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the parent only, which then asks nicely
            )
        asker = threading.Thread(target=_stop_when_asked, args=(process, stopping))
        asker.start()
        ended: set[str] = set()
        assert process.stdout is not None
        for line in process.stdout:
            event = Event.from_line(line)
            if event.kind in (EventKind.done, EventKind.failed):
                ended.add(event.unit_id)
            events.put(event)
        code = process.wait()
        asker.join()
        if code != 0:
            reason = f"worker process ended with status {code}: {_last_line(log_path)}"
            for unit_id in (unit_id for unit_id in shard.unit_ids if unit_id not in ended):
                RunStore(Path(shard.store)).write_failure(unit_id, RuntimeError(reason))
                events.put(Event(EventKind.failed, unit_id, text=reason))


def _stop_when_asked(process: subprocess.Popen[str], stopping: threading.Event) -> None:
    while process.poll() is None:
        if stopping.wait(_POLL_S):
            process.send_signal(signal.SIGTERM)
            process.wait()


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _num_gpus(device: str) -> int:
    if device == "cpu":
        return 0
    import torch

    return torch.cuda.device_count()

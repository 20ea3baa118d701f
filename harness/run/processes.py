"""A pool of worker processes on this machine: every shard runs in its own process.

When a worker dies, its current unit has failed and the rest of its shard returns to the queue. When
it loses its GPU, the current unit returns to the queue as well, once. Several units in step return
to the end of the queue: none is blamed before it was made alone.
"""

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

from harness.core.devices import is_device_lost_text
from harness.core.disk import is_disk_text
from harness.core.endings import before_traceback, how_it_ended
from harness.core.environment import WORKERS_VARIABLE
from harness.core.errors import DiskError, EnvironmentFailed
from harness.core.events import Emit, Event, EventKind, StopRequested
from harness.run.course import Course
from harness.store.run_store import RunStore
from harness.store.shards import Shard

_POLL_S = 0.2


class ProcessPool:
    """Runs shards in worker processes.

    Args:
        shards: the work.
        num_workers: processes at the same time.
        gpus: names for CUDA_VISIBLE_DEVICES, assigned to the workers in turn; empty without GPUs.
        stall_limit_s: seconds without progress after which a worker is ended; None for no limit.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        num_workers: int,
        gpus: Sequence[str],
        stall_limit_s: float | None = None,
    ) -> None:
        self._waiting: queue.SimpleQueue[Shard] = queue.SimpleQueue()
        for shard in shards:
            self._waiting.put(shard)
        self._setting = num_workers
        self._num_workers = min(num_workers, len(shards))
        self._gpus = gpus
        self._limit = [] if stall_limit_s is None else [f"--stall-limit-s={stall_limit_s}"]
        self._events: queue.SimpleQueue[Event | Exception | None] = queue.SimpleQueue()
        self._lost_with: set[str] = set()  # items during which a GPU failed
        self._stopping = threading.Event()
        self._killing = threading.Event()

    def run(self, emit: Emit, stop_requested: StopRequested) -> None:
        """Run all shards; KeyboardInterrupt kills the workers.

        Raises:
            EnvironmentFailed: it failed for one worker; the others were asked to stop, as it
                would for them.
        """
        threads = [
            threading.Thread(target=self._work, args=(worker,))
            for worker in range(self._num_workers)
        ]
        for thread in threads:
            thread.start()
        try:
            self._forward_events(emit, stop_requested)
        except BaseException:
            self._stopping.set()
            self._killing.set()
            raise
        finally:
            for thread in threads:
                thread.join()

    def _forward_events(self, emit: Emit, stop_requested: StopRequested) -> None:
        running, failure = self._num_workers, None
        while running:
            if stop_requested():
                self._stopping.set()
            try:
                event = self._events.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if isinstance(event, EnvironmentFailed):
                failure = failure or event
                self._stopping.set()
            elif isinstance(event, Exception):
                raise event
            elif event is None:
                running -= 1
            else:
                emit(event)
        if failure:
            raise failure

    def _work(self, worker: int) -> None:
        """Run shards until none is waiting: the body of one thread."""
        try:
            while not self._stopping.is_set():
                self._run_shard(self._waiting.get_nowait(), worker)
        except queue.Empty:
            pass
        except Exception as error:
            self._events.put(error)  # `run` raises it in the main thread
        finally:
            self._events.put(None)

    def _run_shard(self, shard: Shard, worker: int) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(shard.threads)}
        environment[WORKERS_VARIABLE] = str(self._setting)
        shard = replace(shard, host_workers=self._num_workers)
        if self._gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self._gpus[worker % len(self._gpus)]
            sharing = -(-self._num_workers // len(self._gpus))
            shard = replace(shard, device="cuda", device_workers=sharing)
        with tempfile.TemporaryDirectory(prefix="longtake-") as folder:
            path, log_path = Path(folder) / "shard.json", Path(folder) / "stderr"
            shard.write(path)
            with log_path.open("w") as log:
                process = subprocess.Popen(
                    [
                        *(sys.executable, "-X", "faulthandler"),
                        *("-m", "harness", "dev", "worker", str(path), *self._limit),
                    ],
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    env=environment,
                    start_new_session=True,  # Ctrl-C goes to the parent only; it forwards SIGTERM
                )
            stopper = threading.Thread(target=self._stop_when_asked, args=(process,))
            stopper.start()
            course = self._read_events(process, shard)
            code = process.wait()
            stopper.join()
            # A plug-in may end the process with status 0, so the status alone proves nothing.
            if (code or course.left) and not self._stopping.is_set():
                printed = log_path.read_text(errors="replace")
                if code == EnvironmentFailed.exit_code:
                    said = _last_line(printed, "error: ").removeprefix("error: ")
                    if is_device_lost_text(said):
                        self._try_again(shard, course, said, printed)
                        return
                    raise DiskError(said) if is_disk_text(said) else EnvironmentFailed(said)
                self._clean_up(shard, course, code, printed)

    def _read_events(self, process: subprocess.Popen[str], shard: Shard) -> Course:
        """Forward events; return the course of the shard that they tell."""
        course = Course(shard.items, shard.batch)
        assert process.stdout is not None
        for line in process.stdout:
            if not line.endswith("\n"):
                break  # it died while it wrote
            event = Event.from_line(line)
            course.follow(event)
            self._events.put(event)
        return course

    def _try_again(self, shard: Shard, course: Course, said: str, log: str) -> None:
        """Queue what is left after a GPU failed; an item with which it fails again has failed."""
        if course.in_step:
            self._put_off(shard, course, said)
            return
        left = course.left
        item = (course.in_progress or left)[0]
        if item in self._lost_with:
            self._give_up(shard, [item], said, log)
            left.remove(item)
        else:
            self._lost_with.add(item)
            text = f"{said} A new process tries again"
            self._events.put(Event(EventKind.note, item, text=text))
        if left:
            self._waiting.put(shard.only(left))

    def _put_off(self, shard: Shard, course: Course, reason: str) -> None:
        """Queue what is left; items that were in step come last and one by one."""
        first, *others = course.in_step
        text = f"{reason} {len(others) + 1} units were in step: they come last and one by one"
        self._events.put(Event(EventKind.note, first, text=text))
        if rest := [item for item in course.left if item not in course.in_step]:
            self._waiting.put(shard.only(rest))
        self._waiting.put(replace(shard.only(course.in_step), batch=1))

    def _give_up(self, shard: Shard, items: Sequence[str], reason: str, log: str) -> None:
        """Record items as failed."""
        for item in items:
            RunStore(Path(shard.store)).write_failure(item, reason, log)
            self._events.put(Event(EventKind.failed, item, text=reason))

    def _clean_up(self, shard: Shard, course: Course, code: int, log: str) -> None:
        """Record what ended a worker as failed and queue the rest again."""
        reason = f"its process {how_it_ended(code, log)}"
        if said := _last_line(before_traceback(log)):
            reason += f"; the last line it printed: {said}"
        if course.in_step:
            self._put_off(shard, course, f"{reason}.")
            return
        self._give_up(shard, course.blamed, reason, log)
        if rest := [item for item in course.left if item not in course.blamed]:
            self._waiting.put(shard.only(rest))

    def _stop_when_asked(self, process: subprocess.Popen[str]) -> None:
        asked = False
        while process.poll() is None:
            if self._killing.is_set():
                process.kill()
            elif self._stopping.is_set() and not asked:
                process.send_signal(signal.SIGTERM)
                asked = True
            self._killing.wait(_POLL_S)


def _last_line(log: str, start: str = "") -> str:
    lines = [line for line in log.splitlines() if line.strip() and line.startswith(start)]
    return lines[-1] if lines else ""

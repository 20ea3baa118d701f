"""The order of work on streams, checked without a GPU.

On the CPU all lanes run at once, in the order of the calls. Here every lane has a vector
clock: what it waits for is merged into its clock, and nothing else is. Every access to a tensor's
memory is compared with earlier ones on other lanes; two of which one writes, with no wait between
them, could happen in any order on a GPU. The thread of the scratch file is a second host: its jobs
run at once, and what it has waited for the first host knows only after waiting for the job. Left
out: memory that is freed and taken again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from backbones.engine.kv.scratch import FileThread, Job, ScratchFile
from backbones.engine.lanes import Lane, Moment

MAIN, FILE = "main", "file"
Clock = dict[str, int]
# Operations that allocate and compute nothing, and those that wait for the result.
_NO_KERNEL = ("empty", "empty_strided", "empty_like", "new_empty", "new_empty_strided")
_WAITING = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal")


@dataclass
class _Accesses:
    """The latest accesses to one storage: lane and its time."""

    written: tuple[str, int, str] | None = None
    read: dict[str, tuple[int, str]] = field(default_factory=dict)


class StreamOrder(TorchDispatchMode):
    """Records accesses while it is entered.

    Attributes:
        unordered: descriptions of pairs of accesses that nothing orders.
        lanes: lanes that did some work.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unordered: set[str] = set()
        self.lanes: set[str] = set()
        self._lane = MAIN
        self._host: Clock = {}
        self._clocks: dict[str, Clock] = {MAIN: {}}
        self._accesses: dict[int, _Accesses] = {}
        self._alive: list[Any] = []  # so that no address is used twice

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        returns = func._schema.returns
        is_view = any(r.alias_info is not None and not r.alias_info.is_write for r in returns)
        if is_view or name in _NO_KERNEL:
            return result
        self.lanes.add(self._lane)
        clock = self._tick()
        written, read = [], []
        for argument, value in zip(func._schema.arguments, args, strict=False):
            is_written = argument.alias_info is not None and argument.alias_info.is_write
            (written if is_written else read).extend(_tensors(value))
        for tensor in read:
            self._note(tensor, name, writes=False)
        for tensor in (*written, *_tensors(result)):
            self._note(tensor, name, writes=True)
        if name in _WAITING:
            _merge(self._host, clock)
        return result

    def _note(self, tensor: Tensor, name: str, writes: bool) -> None:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._accesses:
            self._alive.append(storage)
        known = self._accesses.setdefault(storage.data_ptr(), _Accesses())
        clock, lane = self._clock(self._lane), self._lane
        earlier = [known.written] if known.written else []
        if writes:
            earlier += [(other, time, by) for other, (time, by) in known.read.items()]
        for other, time, by in earlier:
            if clock.get(other, 0) < time:
                self.unordered.add(f"{by} on {other}, then {name} on {lane}")
        if writes:
            known.written, known.read = (lane, clock[lane], name), {}
        else:
            known.read[lane] = (clock[lane], name)

    def _tick(self) -> Clock:
        """Begin an operation on the current lane, which knows all that the host knows."""
        clock = self._clock(self._lane)
        _merge(clock, self._host)
        clock[self._lane] = clock.get(self._lane, 0) + 1
        return clock

    def _copy_by_host(self, tensor: Tensor, name: str, writes: bool) -> None:
        """Record a copy between the file and host memory, which is done when the call returns."""
        before, self._lane = self._lane, FILE
        self.lanes.add(FILE)
        clock = self._tick()
        self._note(tensor, name, writes)
        _merge(self._host, clock)
        self._lane = before

    def _clock(self, lane: str) -> Clock:
        return self._clocks.setdefault(lane, {})

    def now(self) -> Clock:
        """Return the clock of the current lane."""
        return dict(self._clock(self._lane))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Let lanes and moments keep the clocks, and record what happens."""
        order = self
        start_lane, start_moment = Lane.__init__, Moment.__init__

        def lane_init(lane: Any, device: torch.device, name: str) -> None:
            start_lane(lane, device, name)
            lane.name = name

        def moment_init(moment: Any, device: torch.device) -> None:
            start_moment(moment, device)
            moment.clock = order.now()

        @contextmanager
        def entered(lane: Any, after: Any = None) -> Iterator[None]:
            _merge(order._clock(lane.name), order.now() if after is None else after.clock)
            before, order._lane = order._lane, lane.name
            try:
                yield
            finally:
                order._lane = before

        def join(lane: Any) -> None:
            _merge(order._clock(order._lane), order._clock(lane.name))

        def wait(lane: Any) -> None:
            _merge(order._host, order._clock(lane.name))

        def wait_for(known: Any) -> None:
            _merge(order._host, known.clock)

        def start(thread: Any, work: Callable[[], None]) -> Any:
            outside = (order._host, order._lane)
            order._host, order._lane = dict(order._host), FILE
            _merge(order._host, order._clock(FILE))  # jobs run in order
            work()
            job = Job.__new__(Job)
            job.clock = order._host  # type: ignore[attr-defined]
            order._host, order._lane = outside
            return job

        write_file, read_file = ScratchFile.write, ScratchFile.read

        def write(file: Any, number: int, slab: Tensor) -> None:
            order._copy_by_host(slab, "write to the file", writes=False)
            write_file(file, number, slab)

        def read(file: Any, number: int, slab: Tensor) -> None:
            order._copy_by_host(slab, "read from the file", writes=True)
            read_file(file, number, slab)

        with ExitStack() as stack:
            for kind, name, replacement in (
                (Lane, "__init__", lane_init),
                (Lane, "entered", entered),
                (Lane, "join", join),
                (Lane, "wait", wait),
                (Moment, "__init__", moment_init),
                (Moment, "wait", wait_for),
                (FileThread, "start", start),
                (Job, "wait", wait_for),
                (ScratchFile, "write", write),
                (ScratchFile, "read", read),
            ):
                stack.enter_context(mock.patch.object(kind, name, replacement))
            stack.enter_context(self)
            yield


def _merge(clock: Clock, other: Clock) -> None:
    for lane, time in other.items():
        clock[lane] = max(clock.get(lane, 0), time)


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]

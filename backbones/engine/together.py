"""Several rollouts in step: passes that they ask for at the same time are computed together.

A rollout is a generator that yields the passes it needs and is sent their results. Each rollout
keeps its own noise, prompt, plan, keys and values, and its own position: videos of other lengths,
or resumed ones, may run beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from backbones.engine.attention import using
from backbones.engine.kv.sizes import HostRoom
from backbones.engine.kv.store import context_buffers
from backbones.engine.protocol import BlockPass
from backbones.engine.runtime import AttentionKernel, KVLimits
from harness.core.devices import device_lost, free_device_bytes

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone

# A model of a plug-in may end the process, which becomes SystemExit.
_FAILURES = (Exception, SystemExit)


@dataclass(frozen=True)
class Asked:
    """A pass that a rollout asks for.

    Attributes:
        compute: the transformer, or what stands in for it.
        kernel: kernel of attention.
        arguments: of the pass.
    """

    compute: Callable[..., Tensor]
    kernel: AttentionKernel
    arguments: BlockPass

    def company(self) -> tuple[object, ...]:
        """Return what passes that are computed together have in common."""
        context = self.arguments.context
        together = context.is_plain and hasattr(self.compute, "passes_together")
        alone = None if together else id(self)
        return id(self.compute), self.kernel, context.keys_LHKD.shape[2], alone


T = TypeVar("T")
# Work that asks for passes, and is sent their flows.
Steps = Generator[Asked, Tensor, T]


@dataclass(frozen=True)
class Place:
    """The part of a device that one of several rollouts in step has.

    Attributes:
        gathered_PLHKD: room for the keys and values of its context.
        limits: memory for those of its past.
        free_bytes: memory of the device that is left to it.
        host: memory of the host, and disk, that is left to it.
    """

    gathered_PLHKD: Tensor
    limits: KVLimits
    free_bytes: int
    host: HostRoom


def places(backbone: Backbone, limits: KVLimits, number: int) -> list[Place]:
    """Divide what the loaded models leave of a device, and limits of memory, among rollouts.

    As before a single rollout, memory that earlier ones cached on the device is released.
    """
    spec = backbone.spec
    free_bytes = free_device_bytes(backbone.device) // number
    dtype, device = spec.precision.dtype, backbone.device
    buffers = context_buffers(number, spec.shape, spec.budget_latents, dtype, device)
    of_each, host = limits.of_each(number), HostRoom.now().of_each(number)
    return [Place(buffer, of_each, free_bytes, host) for buffer in buffers]


def without_gradients(steps: Steps[T]) -> Steps[T]:
    """Do work in torch's inference mode, which ends wherever the work stands still."""
    answer: Tensor | BaseException | None = None
    with closing(steps):
        while True:
            try:
                with torch.inference_mode():
                    asked = _resume(steps, answer)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                answer = None  # see `_resume`
            try:
                answer = yield asked
            except _FAILURES as error:
                answer = error


def finish(steps: Steps[T]) -> T:
    """Do a piece of work to its end, each pass by itself; return its result."""
    answer: Tensor | BaseException | None = None
    with closing(steps):
        try:
            while True:
                answer = _flow(_resume(steps, answer))
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            answer = None  # see `_resume`


def in_step(work: Sequence[Steps[T]]) -> list[T]:
    """Do several pieces of work to their ends; return their results.

    A pass that fails raises its error in the work that asked for it: if several that were computed
    together fail, each is computed once more by itself, unless the device is lost. An error that
    leaves a piece of work ends the others too.
    """
    results: dict[int, T] = {}
    answers: dict[int, Tensor | BaseException | None] = dict.fromkeys(range(len(work)))
    try:
        while answers:
            asked: dict[int, Asked] = {}
            for index, answer in answers.items():
                try:
                    asked[index] = _resume(work[index], answer)
                except StopIteration as end:
                    results[index] = end.value
            answers = dict(zip(asked, _compute(list(asked.values())), strict=True))
    except BaseException:
        answers.clear()  # see `_resume`
        answer = None
        for steps in work:
            with suppress(Exception):  # such as that of the device which is lost
                steps.close()
        raise
    return [results[index] for index in range(len(work))]


def _resume(steps: Steps[T], answer: Tensor | BaseException | None) -> Asked:
    # A traceback holds the variables of all functions on the way of an error. If one of them
    # holds the error, both stay, with activations, keys and values, until garbage is collected.
    try:
        if isinstance(answer, BaseException):
            return steps.throw(answer)
        return next(steps) if answer is None else steps.send(answer)
    finally:
        del answer


@torch.inference_mode()
def _compute(passes: Sequence[Asked]) -> list[Tensor | BaseException]:
    """Return the flow of each pass, or why there is none."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, one in enumerate(passes):
        groups.setdefault(one.company(), []).append(index)
    flows: dict[int, Tensor | BaseException] = {}
    for indices in groups.values():
        found = _flows([passes[index] for index in indices]) if len(indices) > 1 else None
        if found is None:
            found = [_flow(passes[index]) for index in indices]
        flows |= zip(indices, found, strict=True)
    try:
        return [flows[index] for index in range(len(passes))]
    finally:
        flows.clear()  # see `_resume`


def _flows(passes: Sequence[Asked]) -> Sequence[Tensor | BaseException] | None:
    """Return the flows of passes that are computed together, None if that failed."""
    together: Callable[[Sequence[BlockPass]], list[Tensor]]
    together = passes[0].compute.passes_together  # type: ignore[attr-defined]
    try:
        with using(passes[0].kernel):
            return together([one.arguments for one in passes])
    except _FAILURES as error:
        return [error] * len(passes) if device_lost(error) else None


@torch.inference_mode()
def _flow(one: Asked) -> Tensor | BaseException:
    """Return the flow of a pass, or why there is none."""
    try:
        with using(one.kernel):
            return one.compute(*one.arguments)
    except _FAILURES as error:
        return error

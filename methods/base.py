"""The contract of a memory strategy.

Before a block is denoised the rollout engine asks the strategy for one `ContextPlan`: which past
latent frames the block attends to, in which order, and at which temporal RoPE positions. The plan
holds for all denoising passes and the clean pass of the block. A strategy sees clean latents and
frame numbers and, if it asks, keys, queries and attention mass; it never holds keys and values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from harness.core.errors import PlanError
from methods.groups import Heads, problem_of
from methods.virtual import Write, num_slots, shift

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8
    from torch import Tensor


class Role(StrEnum):
    """Reason for which a past latent frame is in the context."""

    sink = "sink"
    memory = "memory"
    local = "local"
    virtual = "virtual"


class RopeScheme(StrEnum):
    """The rule by which temporal RoPE positions follow from frame numbers.

    absolute: a frame keeps its own number. relative: frames are numbered by their place in the
    window, so positions never leave the range the backbone was trained on.
    """

    absolute = "absolute"
    relative = "relative"


class Pass(StrEnum):
    """A pass that evidence can be taken from: the first denoising one or the clean one."""

    first = "first"
    clean = "clean"


@dataclass(frozen=True)
class NativeWindow:
    """The window that the authors of a backbone roll it out with.

    Attributes:
        budget_latents: frames the attention sees, the block included.
        sink_latents: first frames that are never evicted.
        rope: temporal positions.
    """

    budget_latents: int
    sink_latents: int
    rope: RopeScheme


@dataclass(frozen=True)
class RolloutSpec:
    """Everything a strategy knows of the rollout it serves.

    Attributes:
        num_latents: latent frames of the longest duration asked for.
        block_latents: latent frames denoised together.
        budget_latents: frames the attention may see, the block itself included.
        trained_latents: longest span of temporal positions the backbone was trained on.
        rope_positions: size of the temporal RoPE table.
        latent_shape: (channels, height, width) of one latent frame.
        seed: seed of the unit, for strategies that draw at random.
        native_window: the window of the backbone's authors; None if it has none.
        backbone: name of the backbone; empty when it has none.
        layers: layers of the model with self-attention.
        heads: attention heads of a layer.
        start_latent: number, in the video, of what the strategy knows as frame 0; not 0 only after
            a switch that drops the past.
    """

    num_latents: int
    block_latents: int
    budget_latents: int
    trained_latents: int
    rope_positions: int
    latent_shape: tuple[int, int, int]
    seed: int
    native_window: NativeWindow | None = None
    backbone: str = ""
    layers: int = 1
    heads: int = 1
    start_latent: int = 0

    @property
    def past_latents(self) -> int:
        """Maximum number of past frames in a plan."""
        return self.budget_latents - self.block_latents

    @property
    def written_latents(self) -> int:
        """Maximum number of past frames that the writes of a plan read beside its context."""
        return 2 * self.block_latents


@dataclass(frozen=True)
class ContextPlan:
    """The context of one block.

    Attributes:
        frames: past latent frames in attention order; repeats are allowed. A number below 0, with
            the role virtual, names a slot (methods/virtual.py).
        positions: temporal RoPE position of each of `frames`.
        query_positions: temporal RoPE position of each latent frame of the block itself.
        roles: reason for which each of `frames` is there.
        scores: similarity of each memory frame to the query, in order, or None.
        writes: slots of virtual frames to compute before the block is made, in order.
        groups: heads with a context of their own; all other heads have this one.
    """

    frames: tuple[int, ...]
    positions: tuple[int, ...]
    query_positions: tuple[int, ...]
    roles: tuple[Role, ...]
    scores: tuple[float, ...] | None = None
    writes: tuple[Write, ...] = ()
    groups: tuple[Group, ...] = ()

    def memory_frames(self) -> tuple[int, ...]:
        """Return the retrieved frames, in attention order."""
        pairs = zip(self.frames, self.roles, strict=True)
        return tuple(frame for frame, role in pairs if role is Role.memory)

    def only(self, keep: Callable[[int], bool]) -> ContextPlan:
        """Return the plan without the frames that `keep` refuses, scores and writes."""
        places = [place for place, frame in enumerate(self.frames) if keep(frame)]
        return replace(
            self,
            frames=tuple(self.frames[place] for place in places),
            positions=tuple(self.positions[place] for place in places),
            roles=tuple(self.roles[place] for place in places),
            scores=None,
            writes=(),
            groups=tuple(Group(group.heads, group.plan.only(keep)) for group in self.groups),
        )

    def with_writes(self, writes: Iterable[Write]) -> ContextPlan:
        """Return the same plan with these writes."""
        return replace(self, writes=tuple(writes))

    def past_frames(self, groups: bool = True) -> tuple[int, ...]:
        """Return every past frame that is attended to, by groups too, or read by a write; once."""
        numbers = [*self.frames]
        for group in self.groups if groups else ():
            numbers += group.plan.frames
        for write in self.writes:
            numbers += write.read
        return tuple(dict.fromkeys(number for number in numbers if number >= 0))

    def shifted(self, num_latents: int) -> ContextPlan:
        """Return the same plan with frames counted from another start; positions stay."""
        if num_latents == 0:
            return self
        writes = tuple(write.shifted(num_latents) for write in self.writes)
        groups = tuple(Group(g.heads, g.plan.shifted(num_latents)) for g in self.groups)
        frames = shift(self.frames, num_latents)
        return replace(self, frames=frames, writes=writes, groups=groups)

    def check(self, first_frame: int, rollout: RolloutSpec, num_slots: int = 0) -> None:
        """Raise an error for a plan that the engine cannot execute.

        Args:
            first_frame: first latent frame of the block.
            rollout: the rollout.
            num_slots: slots of virtual frames that the strategy has.

        Raises:
            PlanError: numbers that are not whole, too many frames, lists of unequal length, frames
                or slots that do not exist, or positions outside the RoPE table.
        """
        for name in ("frames", "positions", "query_positions"):
            # Whole numbers of other types, such as tensors, could not be saved with the video.
            if strange := [number for number in getattr(self, name) if type(number) is not int]:
                raise PlanError(
                    f"Plan of the block at latent {first_frame}: {name} must hold numbers of type "
                    f"int; got {strange[0]!r}, a {type(strange[0]).__name__}."
                )
        if not len(self.frames) == len(self.positions) == len(self.roles):
            raise PlanError(
                f"Plan of the block at latent {first_frame}: {len(self.frames)} frames, "
                f"{len(self.positions)} positions and {len(self.roles)} roles; expected one each."
            )
        if len(self.query_positions) != rollout.block_latents:
            raise PlanError(
                f"Plan of the block at latent {first_frame}: {len(self.query_positions)} query "
                f"positions for a block of {rollout.block_latents} latent frames."
            )
        if len(self.frames) > rollout.past_latents:
            raise PlanError(
                f"Plan of the block at latent {first_frame}: {len(self.frames)} past frames and a "
                f"block of {rollout.block_latents} exceed the budget of {rollout.budget_latents}."
            )
        pairs = zip(self.frames, self.roles, strict=True)
        lowest = {Role.virtual: -num_slots}
        if unmade := [
            frame for frame, role in pairs if not lowest.get(role, 0) <= frame < first_frame
        ]:
            raise PlanError(
                f"Plan of the block at latent {first_frame}: frames {unmade} are not in the past."
            )
        for write in self.writes:
            write.check(first_frame, num_slots)
        if self.groups:
            self._check_groups(first_frame, rollout, num_slots)
        others = set(self.past_frames(groups=False)) - set(self.frames)
        if len(others) > rollout.written_latents:
            raise PlanError(
                f"Plan of the block at latent {first_frame}: its writes read {len(others)} past "
                f"frames that are not in the context; {rollout.written_latents} are allowed."
            )
        highest = max((*self.positions, *self.query_positions))
        if min((*self.positions, *self.query_positions)) < 0 or highest >= rollout.rope_positions:
            raise PlanError(
                f"Plan of the block at latent {first_frame}: positions must lie in "
                f"0..{rollout.rope_positions - 1}, the backbone's RoPE table."
            )
        if self.scores is not None and len(self.scores) != len(self.memory_frames()):
            raise PlanError(
                f"Plan of the block at latent {first_frame}: {len(self.scores)} scores for "
                f"{len(self.memory_frames())} memory frames."
            )

    def _check_groups(self, first_frame: int, rollout: RolloutSpec, num_slots: int) -> None:
        problem = problem_of([group.heads for group in self.groups], rollout.layers, rollout.heads)
        if any(group.plan.groups or group.plan.writes for group in self.groups):
            problem = "only the plan itself may write and have groups"
        if problem:
            raise PlanError(f"Plan of the block at latent {first_frame}: {problem}.")
        for number, group in enumerate(self.groups):
            try:
                group.plan.check(first_frame, rollout, num_slots)
            except PlanError as error:
                raise PlanError(f"Group {number}: {error}") from None


@dataclass(frozen=True)
class Group:
    """Heads of some layers that have a context of their own.

    Attributes:
        heads: indices of the heads, for each layer of the model; a layer may have none.
        plan: their context, without writes and groups of its own. It has the whole budget.
    """

    heads: Heads
    plan: ContextPlan


class MemoryStrategy(Protocol):
    """Chooses the context of every block of one rollout.

    A strategy that reads prompts may have a method `check_prompt(text)`, which raises ConfigError
    for one that it cannot read: the sweep is then refused before it starts.

    An implementation is a dataclass whose fields are its arguments; `reset` creates its state.
    The same arguments and latents must always give the same plans, because resuming relies on it.
    A strategy with virtual frames has `num_slots`, known after `reset`.
    """

    def reset(self, rollout: RolloutSpec) -> None:
        """Start a new video.

        Raises:
            ConfigError: the arguments do not fit this rollout.
        """

    def observe(self, latents: Float[Tensor, "frame chan height width"], first_frame: int) -> None:
        """Receive the newest clean latent frames; `first_frame` is the number of the first one."""

    def plan(self, first_frame: int) -> ContextPlan:
        """Return the context of the block that starts at latent frame `first_frame`."""


def checked_plan(
    plan: object, strategy: MemoryStrategy, first_frame: int, rollout: RolloutSpec
) -> ContextPlan:
    """Return what a strategy returned as the plan of a block, once it is known to be one.

    Raises:
        PlanError: it is something else, or a plan that the engine cannot execute.
    """
    if not isinstance(plan, ContextPlan):
        raise PlanError(
            f"{type(strategy).__name__}.plan must return a ContextPlan (methods/base.py); for the "
            f"block at latent {first_frame} it returned a {type(plan).__name__}."
        )
    plan.check(first_frame, rollout, num_slots(strategy))
    return plan


def reachable(strategy: MemoryStrategy, first_frame: int) -> Iterable[int]:
    """Return the past frames that the plan of this block or of a later one may name.

    These are all past frames, unless the strategy narrows them with a method `reach(first_frame)`.
    Keys and values of the other frames are deleted, which bounds the memory of a long rollout.
    """
    reach = getattr(strategy, "reach", None)
    return range(first_frame) if reach is None else reach(first_frame)


@dataclass(frozen=True)
class PromptSegment:
    """A stretch of the video with one prompt.

    Attributes:
        first_frame: its first latent frame, which is the first of a block.
        seconds: its length as the script says; infinite for a video with one prompt. The last
            segment lasts to the end of the video, whatever its length.
        prompt: its text.
        text: embedding of the prompt, as the text encoder of the backbone gives it.
    """

    first_frame: int
    seconds: float
    prompt: str
    text: Float[Tensor, "token chan"]


class BlockView(Protocol):
    """Prompts, keys and pixels, for a strategy that looks at more than latents.

    `segment` and `next_segment` can be called in `observe` and in `plan`. The others describe the
    frames that a strategy with `needs_model` is observing, and can be called in `observe` only.
    """

    def segment(self) -> PromptSegment:
        """Return the segment of the block that is observed or planned."""

    def next_segment(self) -> PromptSegment | None:
        """Return the segment after `segment`; None for the last one of the script."""

    def mean_keys(self) -> Float[Tensor, "frame layer chan"]:
        """Return the un-rotated keys of the clean pass, averaged over the tokens of a frame."""

    def mean_text_keys(self) -> Float[Tensor, "layer chan"]:
        """Return the keys of the prompt of `segment` in cross-attention, averaged over its tokens.

        Can be called in `observe` and in `plan`.

        Raises:
            PlanError: the model has no keys of prompts.
        """

    def mean_queries(self) -> Float[Tensor, "frame layer chan"]:
        """Return the same of the queries; needs `Pass.clean` in `evidence`."""

    def attention_mass(self, taken: Pass) -> Float[Tensor, "layer head context"]:
        """Return the share of attention on each context frame, summed over its tokens.

        The mean over the queries of the block. The last places are the block's own latent frames,
        the others those of its plan, in order; all together are 1. Heads of a group have the frames
        of their own plan there, and 0 behind them.

        Args:
            taken: the pass; it must be in `evidence`.
        """

    def frames(self) -> UInt8[Tensor, "frame height width 3"]:
        """Decode the block and return the last video frame of each latent frame, RGB.

        Decoding is a stream, so a strategy that needs frames must call this for every block.
        """


@runtime_checkable
class SeesModel(Protocol):
    """A strategy that may need more than latents; the engine attaches a view after `reset`.

    Attributes:
        needs_model: whether `observe` needs keys or frames. It is then called after the clean pass
            instead of during it. Prompts don't need that.

    A strategy that asks for queries or attention mass also has `evidence`, the passes it asks for.
    """

    @property
    def needs_model(self) -> bool: ...

    def attach(self, view: BlockView) -> None:
        """Receive the view of the rollout that begins."""


def evidence_of(strategy: MemoryStrategy) -> frozenset[Pass]:
    """Return the passes whose queries or attention mass a strategy asks for."""
    return frozenset(getattr(strategy, "evidence", ()))

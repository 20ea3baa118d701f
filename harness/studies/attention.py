"""Attention of a rollout by role of the frames, with its virtual frames and groups of heads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backbones.engine.block import Block
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from harness.studies.merged_frames import Composition, composed
from methods.base import Pass, Role, SeesModel, evidence_of
from methods.groups import Heads, others
from methods.virtual import num_slots

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from backbones.engine.backbone import Backbone
    from harness.run.prepared import PreparedUnit
    from harness.store.units import Unit
    from methods.base import BlockView, ContextPlan, MemoryStrategy, RolloutSpec

_PICTURE_PX = 120

BLOCK = "block"
"""The role of a block's own frames."""


@dataclass(frozen=True)
class RoleShare:
    """Attention of one layer on the frames of one role, in the clean pass of one block.

    Attributes:
        first_latent: first latent frame of the block.
        layer: the layer.
        role: sink, memory, local, virtual or block.
        attention: share of attention, mean over the heads.
        tokens: share of the context's tokens.
    """

    first_latent: int
    layer: int
    role: str
    attention: float
    tokens: float


@dataclass(frozen=True)
class Watched:
    """A rollout that was watched.

    Attributes:
        shares: of each block, layer and role.
        slots: what virtual frames were made of at the end, by slot; empty without any.
        groups: heads of each group at the end, by layer, with the roles of the group's frames; the
            heads of the plan itself come first. Empty without groups.
    """

    shares: list[RoleShare]
    slots: Composition
    groups: list[tuple[Heads, tuple[Role, ...]]]


class _Watching:
    """A strategy with another one's plans that notes the attention mass of every block."""

    needs_model = True

    def __init__(self, inner: MemoryStrategy) -> None:
        self._inner = inner
        self.evidence = evidence_of(inner) | {Pass.clean}
        self.shares: list[RoleShare] = []
        self.slots: Composition = {}
        self.groups: list[tuple[Heads, tuple[Role, ...]]] = []

    def reset(self, rollout: RolloutSpec) -> None:
        self._inner.reset(rollout)
        self.num_slots = num_slots(self._inner)
        self._rollout, self.slots = rollout, {}
        if hasattr(self._inner, "reach"):
            self.reach = self._inner.reach

    def attach(self, view: BlockView) -> None:
        self._view = view
        if isinstance(self._inner, SeesModel):
            self._inner.attach(view)

    def observe(self, latents: Tensor, first_frame: int) -> None:
        self._inner.observe(latents, first_frame)
        mass_LHC = self._view.attention_mass(Pass.clean).tolist()
        roles = self._roles_by_head(len(latents), len(mass_LHC[0][0]))
        for layer, rows in enumerate(mass_LHC):
            attention: defaultdict[str, float] = defaultdict(float)
            tokens: defaultdict[str, float] = defaultdict(float)
            for head, row in enumerate(rows):
                named = roles[layer, head]
                for role, share in zip(named, row, strict=True):
                    attention[role] += share / len(rows)
                    tokens[role] += (role != "") / len([r for r in named if r]) / len(rows)
            start = first_frame + self._rollout.start_latent
            self.shares += [
                RoleShare(start, layer, role, attention[role], tokens[role])
                for role in (*map(str, Role), BLOCK)
                if tokens[role]
            ]

    def plan(self, first_frame: int) -> ContextPlan:
        self._plan = plan = self._inner.plan(first_frame)
        start, rollout = self._rollout.start_latent, self._rollout
        self.slots = composed(self.slots, (write.shifted(start) for write in plan.writes))
        heads = [group.heads for group in plan.groups]
        rest = others(heads, rollout.layers, rollout.heads)
        own = [(group.heads, group.plan.roles) for group in plan.groups]
        self.groups = [(rest, plan.roles), *own] if own else []
        return plan

    def _roles_by_head(self, size: int, places: int) -> dict[tuple[int, int], list[str]]:
        """Return the role at each place of the context of each head; empty where it has none."""
        layers, heads = range(self._rollout.layers), range(self._rollout.heads)
        plans = {(layer, head): self._plan for layer in layers for head in heads}
        for group in self._plan.groups:
            for layer, row in enumerate(group.heads):
                plans |= {(layer, head): group.plan for head in row}
        return {
            at: [*map(str, plan.roles), *[""] * (places - size - len(plan.roles)), *[BLOCK] * size]
            for at, plan in plans.items()
        }


class Thumbnails:
    """One RGB picture of each latent frame, decoded as blocks are made.

    Args:
        backbone: decodes them.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._decoder = backbone.start_decoder()
        self._frames_per_latent = backbone.spec.geometry.temporal_factor
        self.pictures: list[np.ndarray] = []

    def add(self, latents: Tensor) -> None:
        """Decode a block and keep the last video frame of each latent frame."""
        frames_FHWC = self._decoder.decode(latents).cpu().numpy()
        last_FHWC = frames_FHWC[::-1][:: self._frames_per_latent][::-1]
        shrink = max(1, frames_FHWC.shape[1] // _PICTURE_PX)
        self.pictures += [frame[::shrink, ::shrink].copy() for frame in last_FHWC]


def watch(
    prepared: PreparedUnit,
    backbone: Backbone,
    on_block: Callable[[Block], None],
    thumbnails: Thumbnails | None = None,
) -> Watched:
    """Roll out a unit and return where the attention of each block and layer went.

    Args:
        prepared: the unit.
        backbone: its backbone, loaded.
        on_block: called with each block.
        thumbnails: receives the latents of each block.
    """
    unit = prepared.unit
    watching = _Watching(prepared.strategy)
    rollout = Rollout(
        backbone,
        watching,
        unit.script or unit.prompt,
        SeededNoise(unit.seed, unit.prompt),
        unit.num_latents,
        unit.seed,
    )
    for block in rollout.blocks():
        on_block(block)
        if thumbnails is not None:
            thumbnails.add(block.latents)
    return Watched(watching.shares, watching.slots, watching.groups)


def write_page(folder: Path, unit: Unit, watched: Watched, thumbnails: Thumbnails | None) -> Path:
    """Write the page of a watched rollout and return it; see `reports.studies.attention_page`."""
    import pandas as pd  # these two take a second, which the tables of a terminal don't need

    from reports.studies.attention_page import GroupOfHeads, Slot, write_attention

    pictures = dict(enumerate(thumbnails.pictures)) if thumbnails else {}
    return write_attention(
        folder,
        f"{unit.backbone}, {unit.method}: {unit.prompt}",
        pd.DataFrame(map(asdict, watched.shares)),
        [
            Slot(number, parts, {frame: pictures[frame] for frame in parts if frame in pictures})
            for number, parts in sorted(watched.slots.items(), reverse=True)
        ],
        [GroupOfHeads(heads, tuple(map(str, roles))) for heads, roles in watched.groups],
    )

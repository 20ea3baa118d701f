"""Shares of attention on the frames of each role, by layer and over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from methods.base import Pass, Role, SeesModel, evidence_of
from methods.virtual import num_slots

if TYPE_CHECKING:
    from torch import Tensor

    from backbones.engine.backbone import Backbone
    from harness.run.prepared import PreparedUnit
    from methods.base import BlockView, ContextPlan, MemoryStrategy, RolloutSpec

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


class _Watching:
    """A strategy with another one's plans that notes the attention mass of every block."""

    needs_model = True

    def __init__(self, inner: MemoryStrategy) -> None:
        self._inner = inner
        self.evidence = evidence_of(inner) | {Pass.clean}
        self.shares: list[RoleShare] = []

    def reset(self, rollout: RolloutSpec) -> None:
        self._inner.reset(rollout)
        self.num_slots = num_slots(self._inner)
        self._rollout = rollout
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
        self._plan = self._inner.plan(first_frame)
        return self._plan

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


def attention_shares(
    prepared: PreparedUnit, backbone: Backbone, on_block: Callable[[int], None]
) -> list[RoleShare]:
    """Roll out a unit and return where the attention of each block and layer went.

    Args:
        prepared: the unit.
        backbone: its backbone, loaded.
        on_block: called with the latent frames made so far.
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
        on_block(block.first_frame + len(block.latents))
    return watching.shares

"""Facts about the backbone and setting behind a video, for the leaderboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.store.record import Facts
from methods import METHODS

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone
    from harness.store.units import Unit


def facts_of(unit: Unit, backbone: Backbone) -> Facts:
    """Collect the facts of a record."""
    spec = backbone.spec
    native = METHODS.identity(unit.strategy) == {"name": "native"}
    return Facts(
        backbone_plugin=unit.family,
        method_plugin=unit.strategy,
        trained_latents=spec.trained_latents,
        licence=spec.licence,
        weights=spec.weights.value,
        official_setting=spec.official and native,
        long_setting=spec.long_setting,
        prompt_cut_tokens=backbone.cut_tokens.get(unit.prompt, 0),
    )

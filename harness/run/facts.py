"""What a reader of the leaderboard must know of the backbone and setting behind a video."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from methods import METHODS

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone
    from harness.store.units import Unit


def facts_of(unit: Unit, backbone: Backbone) -> dict[str, Any]:
    """The facts of a record; docs/records.md explains each."""
    spec = backbone.spec
    native = METHODS.identity(unit.strategy) == {"name": "native"}
    return {
        "backbone_plugin": unit.family,
        "method_plugin": unit.strategy,
        "trained_latents": spec.trained_latents,
        "licence": spec.licence,
        "weights": spec.weights.value,
        "official_setting": spec.official and native,
        "long_setting": spec.long_setting,
        "prompt_cut_tokens": backbone.cut_tokens.get(unit.prompt, 0),
    }

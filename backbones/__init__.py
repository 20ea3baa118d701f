"""Backbones: the rollout engine, the K/V store, and the models that make blocks of latents."""

from harness.registry import Registry

BACKBONES = Registry(
    "backbone",
    {"tiny": "backbones.tiny.backbone:TinyBackbone"},
    group="longtake.backbones",
    contract=("spec", "check_prompt", "identity", "load"),
)

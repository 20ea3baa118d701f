"""Backbones: the rollout engine, the K/V store, and the models that make blocks of latents."""

from harness.core.registry import Registry

BACKBONES = Registry(
    "backbone",
    {
        "street": "backbones.street.backbone:StreetBackbone",
        "self_forcing": "backbones.wan.backbone:SelfForcing",
        "causal_forcing": "backbones.wan.backbone:CausalForcing",
        "causal_forcing_framewise": "backbones.wan.backbone:CausalForcingFramewise",
        "external": "backbones.external.backbone:ExternalBackbone",
        "fademem_ft": "backbones.wan.backbone:FadeMemFT",
        "longlive": "backbones.wan.backbone:LongLive",
        "reward_forcing": "backbones.wan.backbone:RewardForcing",
        "rolling_forcing": "backbones.wan.backbone:RollingForcing",
    },
    group="longtake.backbones",
    contract=("spec", "files", "check_prompt", "check_script", "identity", "load"),
)

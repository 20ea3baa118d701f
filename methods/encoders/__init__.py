"""Encoders, which map a clean latent frame to the unit vector that retrieval compares."""

from harness.core.registry import Registry

ENCODERS = Registry(
    "descriptor",
    {
        "avg_pool": "methods.encoders.pooled:AveragePool",
        "flat": "methods.encoders.pooled:Flat",
        "pca": "methods.encoders.pca:Pca",
        "autoencoder": "methods.encoders.autoencoder:AutoencoderDescriptor",
        "mean_keys": "methods.encoders.pooled:MeanKeys",
        "prompt_keys": "methods.encoders.pooled:PromptKeys",
        "dino": "methods.encoders.dino:Dino",
        "mobilenet": "eval.retrieval.mobilenet:MobileNet",
        "clip": "eval.retrieval.image_text:ImageText",
    },
    group="longtake.encoders",
    contract=("prepare", "embed", "fingerprint"),
)

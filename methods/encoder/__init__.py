"""Encoders: one unit vector per clean latent frame, the key by which retrieval searches."""

from harness.registry import Registry

ENCODERS = Registry(
    "descriptor",
    {
        "avg_pool": "methods.encoder.pooled:AveragePool",
        "flat": "methods.encoder.pooled:Flat",
        "autoencoder": "methods.encoder.autoencoder:AutoencoderDescriptor",
    },
    group="longtake.encoders",
    contract=("prepare", "embed", "fingerprint"),
)

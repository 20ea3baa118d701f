"""Encoders: one unit vector per clean latent frame, the key by which retrieval searches."""

from harness.registry import Registry

ENCODERS = Registry(
    "descriptor",
    {
        "avg_pool": "methods.encoder.pooled:AveragePool",
        "flat": "methods.encoder.pooled:Flat",
        "pca": "methods.encoder.pca:Pca",
        "autoencoder": "methods.encoder.autoencoder:AutoencoderDescriptor",
        "mean_keys": "methods.encoder.pooled:MeanKeys",
        "dino": "methods.encoder.dino:Dino",
        "mobilenet": "harness.frame_features:MobileNet",
    },
    group="longtake.encoders",
    contract=("prepare", "embed", "fingerprint"),
)

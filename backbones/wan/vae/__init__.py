"""The video VAE of Wan2.1: 4x in time, 8x in space, 16 channels; streaming both ways."""

from backbones.wan.vae.config import WanVAEConfig
from backbones.wan.vae.decoder import WanDecoder
from backbones.wan.vae.model import WanVAE

__all__ = ["WanDecoder", "WanVAE", "WanVAEConfig"]

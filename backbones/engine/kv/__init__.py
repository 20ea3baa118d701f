"""Keys and values of past latent frames: where they lie, and how a plan gathers them."""

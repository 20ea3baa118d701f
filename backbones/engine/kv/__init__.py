"""Keys and values of past latent frames: memory tiers, and gathering them for a plan."""

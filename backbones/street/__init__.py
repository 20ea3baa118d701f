"""The embedded backbone of the street: a small causal Wan model and its VAE."""

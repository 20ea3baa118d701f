"""Configuration: sweep settings, overrides, prompt sets, manifests, SLURM profile."""

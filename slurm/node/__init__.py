"""The code that SLURM starts on a node."""

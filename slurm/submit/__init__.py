"""Submitting: a plan becomes shard files, sbatch files and job ids."""

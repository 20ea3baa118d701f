"""Dispatch of sweeps to SLURM clusters."""

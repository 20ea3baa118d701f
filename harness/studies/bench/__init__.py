"""Measurements of speed: rollouts by part, scoring against the official code."""

"""Metrics against the ground truth of the procedural world."""

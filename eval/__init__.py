"""Evaluation: decode, clips, metrics, suites, statistics."""

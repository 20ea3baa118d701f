"""Scoring of videos by suites of metrics, and the result files."""

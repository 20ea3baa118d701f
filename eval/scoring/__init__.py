"""Scoring videos with suites of metrics, and the files it writes."""

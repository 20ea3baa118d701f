"""Comparisons with the official VBench-Long code; for checkouts, left out of the wheel."""

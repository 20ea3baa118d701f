"""Runs of the official VBench-Long code beside ours; for checkouts, left out of the wheel."""

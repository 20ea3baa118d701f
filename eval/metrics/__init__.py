"""Metrics of the suite `offline` and of text alignment."""

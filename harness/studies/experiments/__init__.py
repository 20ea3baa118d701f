"""Experiments: named grids of rows, and the encoders that the rows need."""

"""Measures of retrieval against ground truth, and its relation to drift."""

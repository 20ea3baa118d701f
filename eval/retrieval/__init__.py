"""Measures of retrieval against ground truth, and how retrieval relates to drift."""

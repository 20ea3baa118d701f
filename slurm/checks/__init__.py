"""Checks of a cluster: before every submission, and as answers of `doctor`."""

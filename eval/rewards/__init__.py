"""Learned reward models, each in an environment of its own."""

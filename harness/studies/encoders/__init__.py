"""Retrieval encoders: the corpus they are trained on, and the training runs."""

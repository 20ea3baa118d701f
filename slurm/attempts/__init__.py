"""Attempts: one file per start of a task, and the unsuccessful ones counted per item."""

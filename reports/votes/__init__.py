"""Blind votes of people on pairs of videos."""

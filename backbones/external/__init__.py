"""Generators that are run as a command and make whole videos."""

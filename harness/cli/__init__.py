"""The commands of `python -m harness`, one module each; imports happen when one runs."""

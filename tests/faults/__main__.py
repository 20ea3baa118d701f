"""Runs the campaign; see `tests/faults/__init__.py`."""

from __future__ import annotations

import sys

from tests.faults.campaign import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

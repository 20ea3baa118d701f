"""`python -m harness.studies.gpu_selftest`: the self-test where only torch is installed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.core.errors import EnvironmentFailed, LongtakeError
from harness.studies.gpu_selftest.command import selftest


def main() -> int:
    """Run the self-test; its options are those of `python -m harness dev gpu-selftest`."""
    parser = argparse.ArgumentParser("python -m harness.studies.gpu_selftest", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the checks of three minutes")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="one check")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    given = parser.parse_args()
    try:
        return selftest(given.quick, given.only, given.device, given.json)
    except LongtakeError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return EnvironmentFailed.exit_code


if __name__ == "__main__":
    sys.exit(main())

"""`python -m harness`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from harness import __version__
from harness.cli import COMMANDS
from harness.core.errors import LongtakeError

_DESCRIPTION = """\
Longtake: generate, score and compare long autoregressive videos.

Settings are overrides in Hydra syntax, key=value; comma lists span a grid:
  python -m harness sweep backbone=tiny_short,tiny_long method=sliding_window,rag duration=30,60
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 fine, 1 something failed, 2 a mistake of the user, 130 stopped.
    """
    parser = argparse.ArgumentParser(
        prog="python -m harness",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"longtake {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    arguments = parser.parse_args(argv)
    # A researcher's own plug-in may lie in the folder they work in.
    if os.getcwd() not in sys.path:  # noqa: PTH109 - sys.path holds strings
        sys.path.append(os.getcwd())  # noqa: PTH109
    # By default libgomp's threads spin so long that a busy machine slows down fiftyfold.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        return arguments.run(arguments)
    except LongtakeError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        print(
            f"error: the package {error.name!r} is not installed for this Python; after make demo: "
            ". .venv/bin/activate",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

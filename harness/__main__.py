"""`python -m harness`: run one command and turn its errors into a line and an exit code."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import typer

from harness.cli.app import app
from harness.core.disk import disk_error
from harness.core.errors import DiskError, LongtakeError
from harness.core.exits import exits_raised
from harness.core.guard import can_guard, run_guarded
from harness.core.names import not_utf8
from harness.core.packages import install_command

FAILED, MISTAKE, ENVIRONMENT, INTERRUPTED = 1, 2, 3, 130

# A path that the user named is wrong; any other error of the system is the environment's: disk full
# or read-only, too many open files, no network.
_WRONG_PATH = (
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
# Commands that make or score units.
_GUARDED = {"sweep", "generate", "eval", "resume", "latents", "train-encoder"}
_OURS = ("harness", "backbones", "methods", "eval", "reports", "slurm")


def program() -> int:
    """Run the command of this process, with a guard if it works on units.

    Returns:
        The exit code; see `main`.
    """
    if sys.argv[1:2] and sys.argv[1] in _GUARDED and can_guard():
        return run_guarded(main)
    return main()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 for success, 1 if something was made but failed, 2 for a mistake of the
        user, 3 if the environment failed (cluster down, disk full, device lost), 130 when stopped.
    """
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    # A researcher's own plug-in may lie in the folder they work in.
    if os.getcwd() not in sys.path:  # noqa: PTH109 - sys.path holds strings
        sys.path.append(os.getcwd())  # noqa: PTH109
    try:
        with exits_raised(), _ending_on_sigterm():
            code = _run(arguments)
            sys.stdout.flush()
    except OSError as error:
        # The reader has gone (| head) or the output goes to a full disk: the rest goes nowhere,
        # also at the interpreter's exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return FAILED
        return _fail(f"Standard output: {error.strerror}.", ENVIRONMENT)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return code


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """End a command on SIGTERM as on Ctrl-C: with a message, and without temporary files.

    Commands with long work replace this by `stopping_on_signals`, which saves it first.
    """

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: list[str]) -> int:
    if wrong := next((word for word in arguments if not_utf8(word)), None):
        return _fail(f"The argument {wrong!a} is not UTF-8.", MISTAKE)
    # Shells complete the names of programs, and `python -m harness` is none.
    program = "longtake" if arguments[0].endswith("-completion") else None
    try:
        code = typer.main.get_command(app).main(arguments, program, standalone_mode=False)
    except DiskError as error:
        return _fail(_with_command(error, arguments), ENVIRONMENT)
    except LongtakeError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f" See {context.command_path} --help." if context else ""
        return _fail(f"{error.format_message().rstrip('.')}.{hint}", MISTAKE)
    except ModuleNotFoundError as error:
        name = error.name or ""
        if name.partition(".")[0] in _OURS:
            raise
        return _fail(f"The package {name!r} is not installed: {install_command(name)}", MISTAKE)
    except BrokenPipeError:
        raise
    except _WRONG_PATH as error:
        return _fail(str(error), MISTAKE)
    except Exception as error:
        disk = disk_error(error)
        if disk is None and not isinstance(error, OSError) and not _is_device_failure(error):
            raise
        return _fail(_with_command(disk, arguments) if disk else str(error), ENVIRONMENT)
    return int(code or 0)


def _with_command(error: DiskError, arguments: list[str]) -> str:
    """Return the message with the command that goes on; a worker's parent adds its own."""
    if arguments[0] == "dev":
        return str(error)
    return f"{error} python -m harness {shlex.join(arguments)}"


def _fail(message: str, code: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return code


def _is_device_failure(error: Exception) -> bool:
    """Tell if memory ran out or a GPU was lost; by name, as torch may not be imported here."""
    return isinstance(error, MemoryError) or type(error).__name__ in (
        "OutOfMemoryError",
        "AcceleratorError",
    )


if __name__ == "__main__":
    sys.exit(program())

"""Reasons for which a process ended, from its exit status and the output of faulthandler."""

from __future__ import annotations

import re
import signal
import sysconfig
from pathlib import Path

_TRACEBACK = re.compile(r"^(Fatal Python error: |Timeout \()", re.MULTILINE)
_LIBRARIES = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
_THREAD = re.compile(r"^(Current thread|Thread) 0x[0-9a-f]+", re.MULTILINE)
_SILENCE = re.compile(r"^Timeout \((.+)\)!$", re.MULTILINE)
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in (.+)$', re.MULTILINE)


def how_it_ended(code: int, printed: str) -> str:
    """Return what ended a process, as the rest of a sentence that begins with the process.

    Args:
        code: its exit code; negative for a signal.
        printed: what it printed; where faulthandler was on, with a traceback.
    """
    place = _place(printed)
    if code == 1 and (silence := _SILENCE.search(printed)):
        return f"was ended after {silence[1]} without progress, the stall_limit_s{place}"
    if code >= 0:
        return f"ended with status {code}{place}"
    name = signal.Signals(-code).name
    hint = ", as kill -9 does, or the system if memory runs out" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}{place}"


def before_traceback(printed: str) -> str:
    """Return what a process printed before faulthandler did."""
    found = _TRACEBACK.search(printed)
    return printed[: found.start()] if found else printed


def _place(printed: str) -> str:
    """Return file, line and function of a native error; empty if it left no traceback.

    Calls within libraries say less than those that led there.
    """
    threads = list(_THREAD.finditer(printed))
    if not threads:
        return ""
    # Without a current one, the thread that began first comes last.
    thread = next((found for found in threads if found[1] == "Current thread"), threads[-1])
    calls = printed[thread.end() :].partition("\n\n")[0]
    frames = [(Path(path), line, name) for path, line, name in _FRAME.findall(calls)]
    own = [frame for frame in frames if not any(map(frame[0].is_relative_to, _LIBRARIES))]
    for path, line, name in (own or frames)[:1]:
        return f" ({path.name}:{line} in {name})"
    return ""

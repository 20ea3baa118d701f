"""Processes that plug-ins end."""

from __future__ import annotations

import os
import threading

import pytest

from harness.core.exits import exits_raised, place_of


def test_the_exit_of_this_process_is_an_error_and_names_who_asked_for_it() -> None:
    leave = os._exit
    with exits_raised(), exits_raised():
        bound = os._exit
        with pytest.raises(SystemExit) as caught:
            bound(0)
    assert caught.value.code == 0
    assert place_of(caught.value).startswith("test_exits.py:")
    assert os._exit is leave


def test_a_forked_process_ends_as_it_asks() -> None:
    with exits_raised(), exits_raised():
        pid = os.fork()
        if not pid:
            os._exit(7)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 7


def test_a_watchdog_thread_ends_the_process_but_never_as_a_success() -> None:
    pid = os.fork()
    if not pid:
        with exits_raised():
            watchdog = threading.Thread(target=os._exit, args=(0,))
            watchdog.start()
            watchdog.join(30)
        os._exit(9)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1

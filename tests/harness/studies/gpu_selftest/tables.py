"""Tables of checks that end in every way, for the tests of the runner."""

from __future__ import annotations

import os
import signal
import time

import torch

from harness.studies.gpu_selftest.checks import Check
from harness.studies.gpu_selftest.claims import NotHere, NotInstalled, Outcome, at_most, true
from harness.studies.gpu_selftest.setup import Setup


def passes(setup: Setup) -> Outcome:
    """Pass, and print what must not be taken for a result."""
    print("a library says hello")
    return Outcome.of([at_most("zero", 0, 1)], device=str(setup.device))


def fails(setup: Setup) -> Outcome:
    """Fail by a claim; NaN is within no bound."""
    return Outcome.of([true("it holds", True), at_most("error", float("nan"), 1)])


def raises(setup: Setup) -> Outcome:
    """Fail by an error."""
    raise ValueError("broken")


def hangs(setup: Setup) -> Outcome:
    """Never end."""
    time.sleep(3600)
    raise AssertionError


def dies(setup: Setup) -> Outcome:
    """End the process."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def loses_the_device(setup: Setup) -> Outcome:
    """Fail so that the process cannot go on."""
    raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def lacks_a_package(setup: Setup) -> Outcome:
    """Need what is not installed."""
    raise NotInstalled("nothing")


def lacks_a_device(setup: Setup) -> Outcome:
    """Need another device."""
    raise NotHere("needs two GPUs")


CHECKS = (
    Check("passes", passes),
    Check("fails", fails),
    Check("raises", raises),
    Check("hangs", hangs, limit_s=0.5),
    Check("after-hang", passes),
    Check("dies", dies),
    Check("loses-the-device", loses_the_device),
    Check("lacks-a-package", lacks_a_package),
    Check("lacks-a-device", lacks_a_device),
)

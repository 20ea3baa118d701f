"""A reward model in a process of its own, which answers one line for each video."""

from __future__ import annotations

import atexit
import json
import math
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from eval.errors import MetricFailed, MetricUnavailable

TIMEOUT_S = 1800.0
"""Seconds for an answer, the loading of the model included; LONGTAKE_REWARD_TIMEOUT_S sets it."""


class RewardProcess:
    """Starts a command when it is first asked, and keeps it for all videos.

    Args:
        name: of the model, for messages.
        command: program and arguments; its protocol is that of `eval.rewards.adapters`.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self._name, self._command = name, list(command)
        self._process: subprocess.Popen[str] | None = None
        self._num_asked = 0
        self._said = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - as long as it

    def ask(self, request: Mapping[str, Any]) -> dict[str, float]:
        """Return the scores of a video by name.

        Raises:
            MetricUnavailable: the model does not apply to the video.
            MetricFailed: no answer in time, none at all, or nonsense.
        """
        process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        limit_s = float(os.environ.get("LONGTAKE_REWARD_TIMEOUT_S", TIMEOUT_S))
        late = threading.Timer(limit_s, process.kill)
        late.start()
        self._num_asked += 1
        answer = None
        try:
            process.stdin.write(json.dumps({"id": self._num_asked, **request}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            answer = self._answer(line)
        except OSError:
            line = ""
        finally:
            late.cancel()
            if answer is None:  # what it writes later must not be taken for the next answer
                self.close()
        if answer is None:
            said = f"gave no answer: {self._last_words()}"
            wrong = f"answered {line[:80]!r}, expected a JSON object with the id of the question"
            raise MetricFailed(f"{self._name} {wrong if line else said}")
        return self._scores(answer)

    def close(self) -> None:
        """End the process; the next question starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        self._said.seek(0)
        self._said.truncate()
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
            )
        except OSError as error:
            raise MetricFailed(f"{self._name} cannot be started: {error}") from error
        atexit.register(self.close)
        return self._process

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().strip().splitlines()
        return lines[-1][:200] if lines else "it ended, or took too long"

    def _answer(self, line: str) -> dict[str, Any] | None:
        """Return the answer to the latest question; None if the line is not one."""
        try:
            answer = json.loads(line)
        except ValueError:
            return None
        if not isinstance(answer, dict) or answer.pop("id", None) != self._num_asked:
            return None
        return answer

    def _scores(self, answer: Mapping[str, Any]) -> dict[str, float]:
        if "unavailable" in answer:
            raise MetricUnavailable(f"{self._name}: {answer['unavailable']}")
        if "failed" in answer:
            raise MetricFailed(f"{self._name}: {answer['failed']}")
        for name, value in answer.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value):
                raise MetricFailed(f"{self._name} gave {name}={value!r}, expected a number")
        return {name: float(value) for name, value in answer.items()}

"""The judge, against a local server that answers by the brightness of the frames."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from eval.networks import judge
from eval.scoring.results import Scores
from eval.scoring.scorer import Scorer, Workspace
from eval.scoring.suite import find_suite, network_keys

FADING = np.repeat(np.array([200, 150, 100], np.uint8), 32)[:, None, None, None]


class FakeServer(ThreadingHTTPServer):
    """Prefers the brighter frame, and the first of equal ones."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.reply: Callable[[dict[str, Any]], str] = by_brightness
        self.wait_s = 0.0


class Handler(BaseHTTPRequestHandler):
    server: FakeServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({**body, "key": self.headers["Authorization"]})
        time.sleep(self.server.wait_s)
        message = {"message": {"content": self.server.reply(body)}}
        data = json.dumps({"choices": [message], "usage": {"total_tokens": 10}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # the test of time-outs hangs up first
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def levels(body: dict[str, Any]) -> list[float]:
    found = []
    for part in body["messages"][0]["content"][1:]:
        data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        found.append(float(image.mean()))
    return found


def by_brightness(body: dict[str, Any]) -> str:
    seen = levels(body)
    if len(seen) == 1:
        return f'Sure: {{"score": {seen[0] / 2:.0f}}}'
    return json.dumps({"better": "first" if seen[0] >= seen[1] - 5 else "second"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    with FakeServer() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setenv("LONGTAKE_JUDGE_URL", f"http://127.0.0.1:{running.server_port}/v1/")
        monkeypatch.setenv("LONGTAKE_JUDGE_MODEL", "fake/model 1")
        monkeypatch.setenv("LONGTAKE_JUDGE_KEY", "secret")
        monkeypatch.setattr(judge.ACCOUNT, "used", 0)
        yield running
        running.shutdown()


@pytest.fixture
def score(write_video: Callable[..., Path], tmp_path: Path) -> Callable[..., Scores]:
    video = write_video(np.broadcast_to(FADING, (96, 32, 48, 3)))
    workspace = Workspace(tmp_path / "clips", tmp_path / "features")

    def run() -> Scores:
        scorer = Scorer(find_suite("judge"))
        return scorer.score(video, "", {"6": 96}, "unit", None, workspace)

    return run


def test_frames_are_scored_and_compared_in_both_orders(server: FakeServer, score) -> None:
    found = score()
    quality, opening = (found.metrics[name] for name in ("judge_quality", "judge_opening"))
    assert quality.clip_scores == pytest.approx([1.0, 0.75, 0.5], abs=0.02)
    assert opening.durations == {"6": 0.0}  # every later clip is darker
    assert len(server.asked) == 3 + 2 * 2
    assert {asked["key"] for asked in server.asked} == {"Bearer secret"}
    assert found.networks["judge_opening"] == "judge_opening fake-model-1 v1"
    score()
    assert len(server.asked) == 7, "answers are kept"


def test_preference_for_a_side_cancels(server: FakeServer, score) -> None:
    server.reply = lambda body: '{"better": "first", "score": 50}'
    assert score().metrics["judge_opening"].durations == {"6": 0.5}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I cannot help with that.", "expected JSON"),
        ('{"score": 500, "better": "both"}', "expected 0 to 100"),
        ('{"score": "high"}', "gave the score 'high'"),
    ],
)
def test_answer_that_does_not_fit_is_null_with_its_reason(
    server: FakeServer, score, reply: str, reason: str
) -> None:
    server.reply = lambda body: reply
    found = score()
    for metric in found.metrics.values():
        assert metric.durations == {"6": None}
    assert reason in str(found.metrics["judge_quality"].reason)
    assert set(found.failed) == {"judge_quality", "judge_opening"}
    server.reply = by_brightness
    assert not score().failed, "the next command asks again"


def test_silence_and_limits_make_the_cell_null(
    server: FakeServer, score, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGTAKE_JUDGE_TOKENS", "20")
    found = score()
    assert len(server.asked) == 2
    assert "used 20 tokens" in str(found.metrics["judge_quality"].reason)
    monkeypatch.delenv("LONGTAKE_JUDGE_TOKENS")
    server.wait_s = 0.5
    monkeypatch.setenv("LONGTAKE_JUDGE_TIMEOUT_S", "0.05")
    assert "no answer" in str(score().metrics["judge_quality"].reason)


def test_without_an_address_the_suite_is_not_set_up(score, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LONGTAKE_JUDGE_URL", raising=False)
    found = score()
    assert set(found.not_set_up) == {"judge_quality", "judge_opening"}
    assert "set LONGTAKE_JUDGE_URL" in str(found.metrics["judge_quality"].reason)


def test_scores_of_another_model_are_out_of_date(server: FakeServer, monkeypatch) -> None:
    assert network_keys("judge")["judge_quality"] == {"judge_quality fake-model-1 v1"}
    monkeypatch.delenv("LONGTAKE_JUDGE_MODEL")
    assert network_keys("judge")["judge_quality"] == set()

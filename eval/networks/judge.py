"""A vision language model behind an OpenAI-compatible address, as a network on frames.

The address is LONGTAKE_JUDGE_URL (up to /v1), the model LONGTAKE_JUDGE_MODEL, the key
LONGTAKE_JUDGE_KEY where one is needed. Answers are kept with the outputs of networks, by the
content of the frames, the model and the version of the questions, so that none is paid for twice.
"""

from __future__ import annotations

import base64
import json
import os
import re
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from eval.clip import Clip
from eval.errors import MetricFailed, MetricUnavailable

QUESTIONS_VERSION = 1
QUALITY = (
    "Rate the visual quality of this video frame from 0 (destroyed) to 100 (flawless): sharpness, "
    'colours, natural shapes, no artefacts. Answer with JSON only: {"score": NUMBER}'
)
COMPARE = (
    "Two frames of one video. Which has the better visual quality: sharpness, colours, natural "
    'shapes, no artefacts? Answer with JSON only: {"better": "first"}, {"better": "second"} or '
    '{"better": "same"}'
)
_LONGEST_PX = 512
_TIMEOUT_S = 120.0
_POINTS = {"first": 0.0, "same": 0.5, "second": 1.0}


@dataclass
class Account:
    """The tokens that this process has used, and its limit, LONGTAKE_JUDGE_TOKENS."""

    used: int = 0

    def check(self) -> None:
        """Refuse another question once the limit is reached.

        Raises:
            MetricFailed: it is; a later command asks again.
        """
        limit = os.environ.get("LONGTAKE_JUDGE_TOKENS")
        if limit is not None and self.used >= int(limit):
            raise MetricFailed(f"the judge used {self.used} tokens, LONGTAKE_JUDGE_TOKENS={limit}")


ACCOUNT = Account()


@dataclass(frozen=True)
class Judge:
    """A question to the judge; see `eval.network` for the contract.

    Attributes:
        name: "judge_quality", or "judge_opening" for comparisons with the first frame.
        ask: returns the output on the frames of a clip.
    """

    name: str
    ask: Callable[[Clip], np.ndarray]
    size_mib: int = 0
    reads_prompt: bool = False

    def check(self) -> None:
        """Look for the address and the model.

        Raises:
            MetricUnavailable: one is not set.
        """
        for variable in ("LONGTAKE_JUDGE_URL", "LONGTAKE_JUDGE_MODEL"):
            if not os.environ.get(variable):
                raise MetricUnavailable(f"no judge; set {variable} (docs/metrics.md#model-judges)")

    def key(self, device: str) -> str:
        """Name the model and the questions."""
        model = os.environ.get("LONGTAKE_JUDGE_MODEL", "")
        return f"{self.name} {re.sub(r'[^A-Za-z0-9.]+', '-', model)} v{QUESTIONS_VERSION}"

    def current_keys(self) -> set[str]:
        """Return the key that scores must have to be up to date; none where no model is set."""
        return {self.key("cpu")} if os.environ.get("LONGTAKE_JUDGE_MODEL") else set()

    def load(self, device: str) -> Callable[[Clip], np.ndarray]:
        """Return the question; nothing is loaded."""
        self.check()
        return self.ask


def _quality(clip: Clip) -> np.ndarray:
    """Return the score of the clip's middle frame, 0..1."""
    frame_HWC = clip.frames_FHWC[len(clip.frames_FHWC) // 2]
    score = _answer(QUALITY, [frame_HWC]).get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 100:
        raise MetricFailed(f"the judge gave the score {score!r}, expected 0 to 100")
    return np.array([score / 100])


def _against_first(clip: Clip) -> np.ndarray:
    """Return for each later frame 1 if it is better than the first, 0.5 if as good, else 0.

    Each pair is asked about in both orders, because judges prefer one side.
    """
    first_HWC = clip.frames_FHWC[0]
    points = []
    for frame_HWC in clip.frames_FHWC[1:]:
        forward = _better([first_HWC, frame_HWC])
        backward = 1 - _better([frame_HWC, first_HWC])
        points.append((forward + backward) / 2)
    return np.array(points)


def _better(frames: list[np.ndarray]) -> float:
    better = _answer(COMPARE, frames).get("better")
    if better not in _POINTS:
        raise MetricFailed(f"the judge answered {better!r}, expected {', '.join(_POINTS)}")
    return _POINTS[better]


def _answer(question: str, frames: list[np.ndarray]) -> dict[str, object]:
    """Ask a question about frames and return the JSON object in the answer.

    Raises:
        MetricFailed: no answer in time, an error of the server, or no JSON in the answer.
    """
    ACCOUNT.check()
    images = [{"type": "image_url", "image_url": {"url": _picture(f)}} for f in frames]
    body = {
        "model": os.environ["LONGTAKE_JUDGE_MODEL"],
        "temperature": 0,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": [{"type": "text", "text": question}, *images]}],
    }
    request = urllib.request.Request(
        f"{os.environ['LONGTAKE_JUDGE_URL'].rstrip('/')}/chat/completions",
        json.dumps(body).encode(),
        {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {os.environ.get('LONGTAKE_JUDGE_KEY', '')}",
        },
    )
    timeout_s = float(os.environ.get("LONGTAKE_JUDGE_TIMEOUT_S", _TIMEOUT_S))
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            answer = json.loads(response.read())
        text = str(answer["choices"][0]["message"]["content"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise MetricFailed(f"the judge gave no answer: {error!r}") from error
    usage = answer.get("usage") or {}
    ACCOUNT.used += int(usage.get("total_tokens") or 0)
    found = re.search(r"\{[^{}]*\}", text)
    try:
        content = json.loads(found[0]) if found else None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise MetricFailed(f"the judge answered {text[:80]!r}, expected JSON")
    return content


def _picture(frame_HWC: np.ndarray) -> str:
    """Return a frame as a JPEG in a data address, its longer side at most 512 px."""
    shrink = min(1.0, _LONGEST_PX / max(frame_HWC.shape[:2]))
    size = (max(1, round(frame_HWC.shape[1] * shrink)), max(1, round(frame_HWC.shape[0] * shrink)))
    small = cv2.resize(frame_HWC, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


JUDGE_QUALITY = Judge("judge_quality", _quality)
JUDGE_OPENING = Judge("judge_opening", _against_first)

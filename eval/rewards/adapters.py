"""Reward models behind one protocol: run by the Python of the model's own environment.

`python adapters.py NAME PLACE` loads a model and then answers lines: a request is a JSON object
with `id`, `video`, `prompt`, `whole` and `frames`, the answer a JSON object with the same `id` and
the scores, or with `unavailable` or `failed` and a reason. It imports nothing of Longtake.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Score = Callable[[dict[str, Any]], dict[str, Any]]
_WHOLE_ONLY = "the model reads whole files; score with duration=whole"


def videoalign(place: str) -> Score:
    """Load VideoAlign from its repository, weights in `checkpoints/`."""
    os.chdir(place)
    sys.path.insert(0, place)
    torch, module = importlib.import_module("torch"), importlib.import_module("inference")
    model = module.VideoVLMRewardInference(
        "./checkpoints", device=_device(torch), dtype=torch.bfloat16
    )

    def score(request: dict[str, Any]) -> dict[str, Any]:
        if not request["whole"]:
            return {"unavailable": _WHOLE_ONLY}
        with torch.no_grad():
            (found,) = model.reward([request["video"]], [request["prompt"]], use_norm=True)
        return {name: float(found[name]) for name in ("VQ", "MQ", "TA")}

    return score


def visionreward(place: str) -> Score:
    """Load VisionReward from its repository, weights in `THUDM/VisionReward-Video/`."""
    os.chdir(place)
    sys.path.insert(0, place)
    spec = importlib.util.spec_from_file_location("inference_video", "inference-video.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def score(request: dict[str, Any]) -> dict[str, Any]:
        if not request["whole"]:
            return {"unavailable": _WHOLE_ONLY}
        return {"score": float(module.score(request["video"], request["prompt"]))}

    return score


def hpsv3(place: str) -> Score:
    """Load HPSv3 of the package `hpsv3`, weights in the file `place`."""
    torch, module = importlib.import_module("torch"), importlib.import_module("hpsv3")
    model = module.HPSv3RewardInferencer(checkpoint_path=place, device=_device(torch))

    def score(request: dict[str, Any]) -> dict[str, Any]:
        found = []
        with torch.no_grad():
            for picture in request["frames"]:
                (reward,) = model.reward(prompts=[request["prompt"]], image_paths=[picture])
                found.append(float(reward[0]))  # the mean of a normal distribution
        return {"score": sum(found) / len(found)}

    return score


def _device(torch: Any) -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def main(name: str, place: str) -> None:
    """Load a model and answer the lines of standard input until it ends."""
    # What the model's code prints, in libraries of C too, must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    score = {"videoalign": videoalign, "visionreward": visionreward, "hpsv3": hpsv3}[name](place)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = score(request)
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps({"id": request["id"], **answer}), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], str(Path(sys.argv[2]).resolve()))

"""Scores of your own videos, from any model.

Run it with `python score_my_videos.py FOLDER`, or with the prompts, one JSON object a line such as
`{"video": "cat.mp4", "prompt": "a cat"}`: `python score_my_videos.py FOLDER prompts.jsonl`
"""

import argparse
from pathlib import Path

import harness

parser = argparse.ArgumentParser(description="Score the videos of a folder.")
parser.add_argument("folder", type=Path)
parser.add_argument("prompts", type=Path, nargs="?", help="manifest; without it all are empty")
arguments = parser.parse_args()

try:
    result = harness.score_videos(
        arguments.folder, arguments.prompts, name="my_videos", progress=True
    )
except harness.LongtakeError as error:  # no such folder, no videos in it, a wrong manifest
    parser.error(str(error))
scores = result.store.scores
print(scores.pivot_table(index="prompt_id", columns="metric", values="value").T.round(3))
missing = scores[scores["value"].isna()]
print(missing[["prompt_id", "metric", "reason"]].to_string(index=False))  # NaN, never 0
for video, reason in result.failures.items():
    print(f"left out: {video}: {reason}")
print("leaderboard:", harness.report(result.store))

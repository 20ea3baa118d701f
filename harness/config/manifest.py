"""Manifests of videos from elsewhere: which file shows which prompt.

A manifest is a .jsonl file with a line per video (`video`, `prompt`), or a prompt file as for
`prompts=` beside a folder whose files are named as VBench, Self-Forcing or LongLive name them.
Prompts are never read out of file names: a name only says which line of the prompt file it is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config.prompts import Prompt, PromptSettings, load_prompts
from harness.core.errors import LongtakeError, unknown_name

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
_KEYS = ("video", "prompt", "evaluation_prompt", "id", "seed")
# rank0-12-0_lora.mp4 (LongLive), 12-0_ema.mp4 (Self-Forcing): line of the prompt file, sample.
_BY_LINE = re.compile(r"(?:rank\d+-)?(\d+)-(\d+)(?:_(?:lora|ema|regular))?")
# <prompt>-0.mp4 (VBench), cut after 100 characters by Self-Forcing.
_BY_PROMPT = re.compile(r"(.+)-(\d+)", re.DOTALL)
_CUT_CHARACTERS = 100


@dataclass(frozen=True)
class ListedVideo:
    """One video of a manifest.

    Attributes:
        path: the file, which need not be there.
        id: id of the prompt.
        prompt: generation prompt.
        evaluation_prompt: what metrics compare with; may be empty.
        seed: tells samples of one prompt apart.
    """

    path: Path
    id: str
    prompt: str
    evaluation_prompt: str
    seed: int


@dataclass(frozen=True)
class Manifest:
    """What to import.

    Attributes:
        videos: in the order of the manifest.
        unlisted: video files of the folder that the manifest does not mention.
    """

    videos: tuple[ListedVideo, ...]
    unlisted: tuple[Path, ...]


def read_manifest(folder: Path, path: Path) -> Manifest:
    """Read a manifest and match it with the video files of a folder.

    Raises:
        LongtakeError: no such folder or file, a malformed line, or two videos with the same id and
            seed or the same file.
    """
    if not folder.is_dir():
        raise LongtakeError(f"videos={folder}: no such folder.")
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in VIDEO_SUFFIXES and not file.name.startswith(".")
    )
    lines = _json_lines(path) if path.suffix == ".jsonl" else []
    if any("video" in line for line in lines):
        videos = [_listed(line, number, folder, path) for number, line in enumerate(lines, start=1)]
    else:
        prompts = load_prompts(path.stem, PromptSettings(str(path))).prompts
        videos = [found for file in files if (found := _by_name(file, prompts))]
    if not videos:
        raise LongtakeError(f"{path} matches none of the {len(files)} videos in {folder}.")
    _refuse_doubles(videos, path)
    listed = {video.path.resolve() for video in videos}
    return Manifest(tuple(videos), tuple(file for file in files if file.resolve() not in listed))


def _json_lines(path: Path) -> list[dict[str, Any]]:
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LongtakeError(f"manifest={path} can't be read: {error}") from error
    lines = []
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except ValueError as error:
            raise LongtakeError(f"{path}, line {number}: not JSON ({error}).") from error
        if not isinstance(line, dict):
            raise LongtakeError(f"{path}, line {number}: expected an object with video and prompt.")
        lines.append(line)
    return lines


def _listed(line: dict[str, Any], number: int, folder: Path, path: Path) -> ListedVideo:
    place = f"{path}, line {number}"
    for key in line:
        if key not in _KEYS:
            raise unknown_name(f"key ({place})", key, _KEYS)
    name, prompt = line.get("video"), line.get("prompt")
    if not isinstance(name, str) or not isinstance(prompt, str):
        raise LongtakeError(f"{place}: expected an object with video and prompt, both texts.")
    seed = line.get("seed", 0)
    if not isinstance(seed, int):
        raise LongtakeError(f"{place}: seed is {seed!r}; expected a whole number.")
    texts = {"id": name, "evaluation_prompt": prompt}
    texts |= {key: line[key] for key in texts if line.get(key) is not None}
    if isinstance(texts["id"], int):
        texts["id"] = str(texts["id"])
    for key, text in texts.items():
        if not isinstance(text, str):
            raise LongtakeError(f"{place}: {key} is {text!r}; expected a text.")
    return ListedVideo(folder / name, texts["id"], prompt, texts["evaluation_prompt"], seed)


def _by_name(file: Path, prompts: Sequence[Prompt]) -> ListedVideo | None:
    """The prompt whose video a file of a public repository's layout is."""
    if (match := _BY_LINE.fullmatch(file.stem)) and int(match[1]) < len(prompts):
        prompt, seed = prompts[int(match[1])], int(match[2])
    elif match := _BY_PROMPT.fullmatch(file.stem):
        fitting = [p for p in prompts if match[1] in (p.text, p.text[:_CUT_CHARACTERS])]
        if len(fitting) != 1:
            return None
        prompt, seed = fitting[0], int(match[2])
    else:
        return None
    return ListedVideo(file, prompt.id, prompt.text, prompt.evaluation_text, seed)


def _refuse_doubles(videos: Sequence[ListedVideo], path: Path) -> None:
    places = Counter((video.id, video.seed) for video in videos)
    files = Counter(video.path.resolve() for video in videos)
    for video in videos:
        if places[video.id, video.seed] > 1:
            raise LongtakeError(
                f"{path}: two videos have the id {video.id!r} and seed {video.seed}; "
                "samples of one prompt need seeds of their own."
            )
        if files[video.path.resolve()] > 1:
            raise LongtakeError(f"{path}: {video.path.name!r} is listed twice.")

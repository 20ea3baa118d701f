"""Manifests of imported videos: the prompt of each file.

A manifest is a .jsonl file with one line per video (`video`, `prompt`), a .json file with an array
of these or a map from videos to prompts, as for VBench, or a prompt file as for `prompts=` if the
video files are named as VBench, Self-Forcing or LongLive name them. A file name only selects a line
of the prompt file; its text is never used as a prompt.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.config.prompts import Prompt, PromptSettings, load_prompts, numbered_lines
from harness.core.errors import ConfigError, StoreError, unknown_name
from harness.core.typed_files import from_json
from harness.core.untyped import json_object

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif")
# Folders that VBench-Long writes into the folder of the videos ("cilps" is its own spelling).
_OF_VBENCH = re.compile(r"split_clip|split_scene|temporal_filtered_cilps|.*_cat_firstframes_videos")
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
        path: the file; it may be missing.
        id: id of the prompt.
        prompt: generation prompt.
        evaluation_prompt: text that metrics compare the video with; may be empty.
        seed: number that distinguishes samples of one prompt.
    """

    path: Path
    id: str
    prompt: str
    evaluation_prompt: str
    seed: int


@dataclass(frozen=True)
class Manifest:
    """Videos to import.

    Attributes:
        folder: the folder that holds them all.
        videos: listed videos, in the order of the manifest.
        unlisted: video files of the folder that the manifest does not mention.
        file: name of the manifest's file; empty without one.
        num_of_vbench: video files in folders that VBench-Long wrote, such as split_clip/, which are
            left out unless the manifest lists them.
    """

    folder: Path
    videos: tuple[ListedVideo, ...]
    unlisted: tuple[Path, ...]
    file: str = ""
    num_of_vbench: int = 0


def read_manifest(folder: Path, path: Path) -> Manifest:
    """Read a manifest and match it with the video files of a folder.

    Args:
        folder: folder of the videos, searched with all its subfolders.
        path: the manifest.

    Raises:
        ConfigError: no such folder or file, a malformed line, no match, or two videos with the same
            id and seed or the same file.
        UnknownName: an unknown key in a line; names the nearest.
    """
    files, of_vbench = find_videos(folder)
    lines = []
    if path.suffix == ".jsonl":
        lines = _json_lines(path)
    elif path.suffix == ".json":
        lines = _json_entries(path, folder)
    if path.suffix == ".json" or any("video" in line for line, _ in lines):
        known = {_composed(file.relative_to(folder).as_posix()): file for file in files}
        videos = [_listed(line, place, known, folder) for line, place in lines]
    else:
        prompts = load_prompts(path.stem, PromptSettings(str(path))).prompts
        if any(prompt.segments for prompt in prompts):
            raise ConfigError(
                f"{path}: imported videos can't have prompts that change (segments); give each a "
                "line with video and prompt."
            )
        videos = [found for file in files if (found := _by_name(file, prompts))]
    if not videos:
        raise ConfigError(f"{path} matches none of the {len(files)} videos in {folder}.")
    _refuse_doubles(videos, path)
    listed = {video.path.resolve() for video in videos}
    unlisted = tuple(file for file in files if file.resolve() not in listed)
    left_out = sum(file.resolve() not in listed for file in of_vbench)
    return Manifest(folder, tuple(videos), unlisted, path.name, left_out)


def find_videos(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the video files in a folder and its subfolders, sorted, and apart those of VBench.

    Raises:
        ConfigError: no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"videos={folder}: no such folder.")
    found: tuple[list[Path], list[Path]] = ([], [])
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in VIDEO_SUFFIXES and not file.name.startswith("."):
            parents = file.relative_to(folder).parts[:-1]
            found[any(_OF_VBENCH.fullmatch(name) for name in parents)].append(file)
    return found


def list_videos(prompts: Mapping[Path, str]) -> Manifest:
    """Build a manifest of single files; a video is named by its path below their common folder.

    Args:
        prompts: prompt of each file, empty where it is unknown.

    Raises:
        ConfigError: there are none, or a file is listed twice.
    """
    if not prompts:
        raise ConfigError("There are no videos to score.")
    common = Path(os.path.commonpath([path.absolute().parent for path in prompts]))
    videos = []
    for path, prompt in prompts.items():
        name = path.absolute().relative_to(common).as_posix()
        videos.append(ListedVideo(path, name, prompt, prompt, seed=0))
    _refuse_doubles(videos, common)
    return Manifest(common, tuple(videos), ())


def list_folder(folder: Path) -> Manifest:
    """Build a manifest of all videos of a folder, with empty prompts.

    Raises:
        ConfigError: no such folder, or no video in it.
    """
    files, of_vbench = find_videos(folder)
    if not files:
        raise ConfigError(f"videos={folder}: no videos ({' '.join(VIDEO_SUFFIXES)}).")
    return replace(list_videos(dict.fromkeys(files, "")), num_of_vbench=len(of_vbench))


def _json_entries(path: Path, folder: Path) -> list[tuple[dict[str, Any], str]]:
    """Return the objects of a .json file, each with its place.

    It is an array of objects, or a map from videos to prompts as for VBench, whose paths count from
    the folder or from the working folder.
    """
    text = "\n".join(line for line, _ in numbered_lines(path, "Manifest"))
    try:
        if text.lstrip().startswith("{"):
            prompts = json_object(text, str(path)).items()
            entries = [{"video": _below(folder, key), "prompt": prompt} for key, prompt in prompts]
        else:
            entries = from_json(text, list[dict[str, Any]], str(path))
    except StoreError as error:
        raise ConfigError(
            f"{error} Expected an array of objects with video and prompt, or a map from videos to "
            "prompts."
        ) from error
    return [(entry, f"{path}, entry {number}") for number, entry in enumerate(entries, start=1)]


def _below(folder: Path, name: str) -> str:
    """Return the name of a video in a folder, which may be given from the working folder."""
    path, root = Path(name).absolute(), folder.absolute()
    if (folder / name).exists() or not path.is_relative_to(root):
        return name
    return path.relative_to(root).as_posix()


def _json_lines(path: Path) -> list[tuple[dict[str, Any], str]]:
    """Return the objects of a .jsonl file, each with its place."""
    lines = []
    for text, number in numbered_lines(path, "Manifest"):
        place = f"{path}, line {number}"
        try:
            lines.append((json_object(text, place), place))
        except StoreError as error:
            raise ConfigError(f"{error} Expected an object with video and prompt.") from error
    return lines


def _listed(
    line: dict[str, Any], place: str, known: Mapping[str, Path], folder: Path
) -> ListedVideo:
    for key in line:
        if key not in _KEYS:
            raise unknown_name(f"key ({place})", key, _KEYS)
    name, prompt = line.get("video"), line.get("prompt")
    if not isinstance(name, str) or not isinstance(prompt, str):
        raise ConfigError(f"{place}: expected an object with video and prompt, both strings.")
    seed = line.get("seed", 0)
    if not isinstance(seed, int):
        raise ConfigError(f"{place}: seed is {seed!r}; expected a whole number.")
    texts = {"id": name, "evaluation_prompt": prompt}
    texts |= {key: line[key] for key in texts if line.get(key) is not None}
    if isinstance(texts["id"], int):
        texts["id"] = str(texts["id"])
    for key, text in texts.items():
        if not isinstance(text, str):
            raise ConfigError(f"{place}: {key} is {text!r}; expected a string.")
    file = folder / name
    if not file.exists():  # perhaps there under another Unicode normal form of its name
        file = known.get(_composed(name), file)
    return ListedVideo(file, texts["id"], prompt, texts["evaluation_prompt"], seed)


def _by_name(file: Path, prompts: Sequence[Prompt]) -> ListedVideo | None:
    """Match a file, named as public repositories do, with its prompt; None if there is no match."""
    if (match := _BY_LINE.fullmatch(file.stem)) and int(match[1]) < len(prompts):
        prompt, seed = prompts[int(match[1])], int(match[2])
    elif match := _BY_PROMPT.fullmatch(file.stem):
        # A cut name may fit several long prompts; then it is not known which one it shows.
        # File systems and archives change the Unicode normal form of names.
        name = _composed(match[1])
        fitting = [
            p
            for p in prompts
            if name in {_composed(text) for text in (p.text, p.text[:_CUT_CHARACTERS])}
        ]
        # Lines of the same text are samples of one prompt, which the number in the name counts.
        if len({(p.text, p.evaluation_text) for p in fitting}) != 1:
            return None
        prompt, seed = fitting[0], int(match[2])
    else:
        return None
    return ListedVideo(file, prompt.id, prompt.text, prompt.evaluation_text, seed)


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _refuse_doubles(videos: Sequence[ListedVideo], path: Path) -> None:
    places = Counter((video.id, video.seed) for video in videos)
    files = Counter(video.path.resolve() for video in videos)
    for video in videos:
        if places[video.id, video.seed] > 1:
            raise ConfigError(
                f"{path}: two videos have the id {video.id!r} and seed {video.seed}; "
                "give each sample of a prompt its own seed."
            )
        if files[video.path.resolve()] > 1:
            raise ConfigError(f"{path}: {video.path.name!r} is listed twice.")

"""A static page on which people vote on pairs of videos without knowing the methods."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.core.errors import ConfigError
from harness.core.typed_files import write_typed
from harness.store.frames import Sweep, as_dicts
from reports.site.data_files import to_json, update_text
from reports.site.web_video import copy_playable
from reports.votes.ballots import KEY_FILE, Key, Pair

PAGE_FOLDER = "vote"
"""Folder of the page in the first sweep."""
_DATA_FILE, _CALL = "data.js", "longtakeVote"
CHECK_EVERY = 10
"""One pair in so many shows one video twice, to see whether a voter looks."""


def write_vote_page(sweep: Sweep, out: Path, key_folder: Path, num_pairs: int, seed: int) -> Key:
    """Write the page and its key.

    Both videos of a pair have the same backbone, prompt and seed, so the same noise. Pairs of
    methods take turns; sides are drawn. Videos are named by their content and the page,
    so that no name tells the method. Each voter has an order of their own.

    Args:
        sweep: the loaded run stores.
        out: folder of the page, to be put on any web server or opened from the disk.
        key_folder: where `KEY_FILE` goes, which tells which side is which; keep it from voters.
        num_pairs: pairs that each person is asked about, besides the checks.
        seed: of all draws.

    Raises:
        ConfigError: no two videos of one backbone, prompt and seed.
    """
    generator = np.random.default_rng(seed)
    chosen = _choose(sweep, num_pairs, generator)
    if not chosen:
        raise ConfigError(f"{sweep.name} has no two videos of one backbone, prompt and seed.")
    for _ in range(max(1, len(chosen) // CHECK_EVERY)):
        one = chosen[int(generator.integers(len(chosen)))][0]
        chosen.append((one, one))  # the browser draws the order
    facts = [[unit["video_sha256"] for unit in pair] for pair in chosen]
    page = hashlib.sha256(to_json([seed, facts]).encode()).hexdigest()[:12]
    pairs, shown = {}, []
    for index, sides in enumerate(chosen):
        left, right = sides if generator.integers(2) else sides[::-1]
        name = f"p{index:03d}"
        pairs[name] = Pair(left["backbone"], left["prompt_id"], left["method"], right["method"])
        files = [_copy(sweep, unit, page, out / "videos") for unit in (left, right)]
        shown.append({"name": name, "prompt": left["prompt"], "videos": files})
    key = Key(page, pairs)
    write_typed(key_folder / KEY_FILE, key)
    environment = Environment(
        loader=PackageLoader("reports.votes"), autoescape=True, undefined=StrictUndefined
    )
    for name in ("index.html", "vote.js", "collect.js", "vote.css"):
        assert environment.loader is not None
        update_text(out / name, environment.loader.get_source(environment, name)[0])
    update_text(out / _DATA_FILE, f"{_CALL}({to_json({'page': page, 'pairs': shown})});\n")
    return key


def page_shown(folder: Path) -> str | None:
    """Return the build of the page in a folder; None where its data are not those of a page."""
    try:
        text = (folder / _DATA_FILE).read_text()
    except OSError:
        return None
    found = re.fullmatch(rf"{_CALL}\((.*)\);\n", text, re.DOTALL)
    try:
        return str(json.loads(found[1])["page"]) if found else None
    except (ValueError, KeyError, TypeError):
        return None


def _choose(
    sweep: Sweep, num_pairs: int, generator: np.random.Generator
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return pairs of units, as evenly over pairs of methods as they are there."""
    done = sweep.units[sweep.units["status"] == "done"]
    by_methods: dict[tuple[str, str, str], list[tuple[dict[str, Any], dict[str, Any]]]]
    by_methods = defaultdict(list)
    for _, units in done.groupby(["backbone", "prompt_id", "seed"], sort=False):
        for one, other in combinations(as_dicts(units), 2):
            by_methods[one["backbone"], one["method"], other["method"]].append((one, other))
    for pairs in by_methods.values():
        generator.shuffle(pairs)
    chosen: list[tuple[dict[str, Any], dict[str, Any]]] = []
    turns = max((len(pairs) for pairs in by_methods.values()), default=0)
    for turn in range(turns):
        chosen += [pairs[turn] for pairs in by_methods.values() if turn < len(pairs)]
    return chosen[:num_pairs]


def _copy(sweep: Sweep, unit: dict[str, Any], page: str, folder: Path) -> str:
    name = hashlib.sha256(f"{page} {unit['unit_id']}".encode()).hexdigest()[:16]
    target = folder / f"{name}.mp4"
    if not target.is_file():
        copy_playable(sweep.unit_folder(unit) / unit["video"], target)
    return f"videos/{target.name}"

"""`python -m harness retrieval`."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from backbones.tiny.backbone import TinyBackbone
from backbones.tiny.codec import TinyCodec
from eval.retrieval.drift import relate_all
from eval.retrieval.metrics import Searched
from harness.cli.arguments import parse_pairs, sweep_folder
from harness.cli.progress import ProgressView
from harness.core.devices import pick_device, prepare_process
from harness.core.environment import num_cores
from harness.core.errors import LongtakeError
from harness.core.events import Event, EventKind
from harness.studies.retrieval_benchmark import (
    Benchmark,
    EncoderChoice,
    choose_encoders,
    run_benchmark,
)
from harness.studies.retrieval_data import (
    RetrievalVideo,
    corpus_videos,
    panned_photo,
    shots_video,
    world_videos,
)
from harness.studies.retrieval_sweeps import drift_videos, sweep_maps
from methods.encoders.corpus import Corpus
from methods.retrieval import Retrieval
from reports.site.retrieval_page import Picture, per_video, summarise, tables, write_retrieval
from reports.site.retrieval_pictures import (
    MapPanel,
    draw_ages,
    draw_map,
    draw_similarity,
    draw_trajectories,
)

_SOURCES = ("world", "corpus", "video", "photo", "sweep")
_KEYS = (*_SOURCES, "encoder", "seconds", "seed", "k", "guard", "pictures", "out", "threads")
_ENCODERS = "avg_pool,flat,tiny_recon,tiny_smooth,tiny_delta,tiny_full"
_LATENTS_PER_S = 4


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    pairs = parse_pairs(arguments.overrides, _KEYS)
    console = Console()
    prepare_process(_number(pairs, "threads", num_cores(), least=1))
    retrieval = Retrieval(
        memory_latents=_number(pairs, "k", 6, least=1),
        recent_exclude_latents=_number(pairs, "guard", 5),
    )
    folder = Path(pairs.get("out", "retrieval"))
    folder.mkdir(parents=True, exist_ok=True)
    pictures: list[Picture] = []
    notes: list[str] = []
    relations = {}
    if "sweep" in pairs:
        store = sweep_folder(pairs)
        relations = relate_all(drift_videos(store))
        if not relations:
            notes.append(
                f"No video of {store} is scored, so nothing can be related to its drift; score "
                f"them with python -m harness eval sweep={store}."
            )
        for number, one in enumerate(sweep_maps(store, _number(pairs, "pictures", 1))):
            file = f"sweep_{number:02d}.png"
            draw_map(folder / file, one.title, [one.panel], one.frames_NHWC, one.duration_s)
            pictures.append(Picture(f"Retrieval map: {one.title}", file))
    videos = _videos(pairs)
    searched: tuple[Searched, ...] = ()
    if videos:
        encoders = choose_encoders(pairs.get("encoder", _ENCODERS).split(","))
        benchmark = _search(videos, encoders, retrieval, console)
        searched = benchmark.searched
        notes += [f"{what}: left out, {reason}." for what, reason in benchmark.skipped.items()]
        notes += _origins(encoders)
        shown = _chosen(videos, _number(pairs, "pictures", 1))
        pictures += _pictures(folder, shown, benchmark)
    elif "sweep" not in pairs:
        raise LongtakeError(
            "Nothing to search: world=N, corpus=FOLDER, video=FILE, photo=FILE or sweep=FOLDER."
        )
    found = per_video(searched)
    page = write_retrieval(folder, found, relations, pictures, notes)
    _print(summarise(found), console)
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    console.print(f"retrieval: {page}", markup=False, highlight=False, soft_wrap=True)
    return 0


def _videos(pairs: dict[str, str]) -> list[RetrievalVideo]:
    codec = TinyCodec()
    num_latents = _LATENTS_PER_S * _number(pairs, "seconds", 30, least=1)
    videos: list[RetrievalVideo] = []
    count = _number(pairs, "world", 0 if set(_SOURCES) & set(pairs) else 16)
    if count:
        videos += world_videos(count, num_latents, _number(pairs, "seed", 0), codec)
    if "corpus" in pairs:
        videos += corpus_videos(Corpus.load(pairs["corpus"]), codec)
    videos += [shots_video(path, codec) for path in _files(pairs, "video")]
    videos += [panned_photo(path, num_latents, codec) for path in _files(pairs, "photo")]
    return videos


def _files(pairs: dict[str, str], key: str) -> list[Path]:
    paths = [Path(text) for text in pairs.get(key, "").split(",") if text]
    names = Counter(path.name for path in paths)
    if twice := [name for name, count in names.items() if count > 1]:
        raise LongtakeError(f"{key}=: two files are called {twice[0]}; rename or leave out one.")
    return paths


def _search(
    videos: Sequence[RetrievalVideo],
    encoders: Sequence[EncoderChoice],
    retrieval: Retrieval,
    console: Console,
) -> Benchmark:
    backbone = TinyBackbone().load(pick_device("cpu"), [])
    amounts = {video.name: len(video.latents_NCHW) for video in videos}
    with ProgressView("search", amounts, {}, console) as view:

        def on_video(name: str) -> None:
            view.show(Event(EventKind.progress, name, amount=amounts[name]))

        return run_benchmark(videos, encoders, retrieval, backbone, on_video)


def _chosen(videos: Sequence[RetrievalVideo], count: int) -> list[RetrievalVideo]:
    """The first videos of each kind."""
    kinds: dict[str, list[RetrievalVideo]] = {}
    for video in videos:
        kinds.setdefault(video.kind, []).append(video)
    return [video for group in kinds.values() for video in group[:count]]


def _pictures(
    folder: Path, videos: Sequence[RetrievalVideo], benchmark: Benchmark
) -> list[Picture]:
    pictures: list[Picture] = []

    def add(title: str, stem: str) -> Path:
        words = re.sub(r"\W+", "_", stem).strip("_")[:80]
        file = f"{len(pictures):02d}_{words}.png"  # numbered: names that differ may share words
        pictures.append(Picture(title, file))
        return folder / file

    for video in videos:
        duration_s = len(video.latents_NCHW) / _LATENTS_PER_S
        vectors = {
            label: v for (label, name), v in benchmark.embeddings.items() if name == video.name
        }
        if not vectors:  # every encoder was left out
            continue
        panels = []
        for one in benchmark.searched:
            first_about = next(iter(video.gains), "")
            if one.video == video.name and one.about == first_about and one.searcher in vectors:
                found = [(r.query.frame, f) for r in one.results for f in r.frames]
                cosines = [c for r in one.results for c in r.cosines or ()]
                panels.append(
                    MapPanel(
                        one.searcher,
                        [query / _LATENTS_PER_S for query, _ in found],
                        [frame / _LATENTS_PER_S for _, frame in found],
                        cosines,
                    )
                )
        target = add(f"Retrieval map: {video.name}", f"map {video.name}")
        draw_map(target, video.name, panels, video.frames_NHWC, duration_s)
        target = add(f"Self-similarity: {video.name}", f"similarity {video.name}")
        draw_similarity(target, video.name, vectors, duration_s)
        target = add(f"Trajectories: {video.name}", f"trajectories {video.name}")
        draw_trajectories(target, video.name, vectors, duration_s)
    for kind in dict.fromkeys(one.kind for one in benchmark.searched):
        ages: dict[str, list[int]] = {}
        for one in benchmark.searched:
            if one.kind == kind:
                ages.setdefault(one.searcher, []).extend(
                    r.query.frame - frame for r in one.results for frame in r.frames
                )
        draw_ages(add(f"Age of retrieved frames: {kind}", f"ages {kind}"), kind, ages)
    return pictures


def _origins(encoders: Sequence[EncoderChoice]) -> list[str]:
    known = [
        f"{choice.label} on {', '.join(choice.trained_on)}"
        for choice in encoders
        if choice.trained_on
    ]
    return [f"Trained: {'; '.join(known)}."] if known else []


def _print(summary: pd.DataFrame, console: Console) -> None:
    from rich.table import Table

    for title, (header, *lines) in tables(summary).items():
        table = Table(*header, title=title, title_justify="left")
        for line in lines:
            table.add_row(*(cell.partition(" ")[0] if i else cell for i, cell in enumerate(line)))
        console.print(table)


def _number(pairs: dict[str, str], key: str, default: int, least: int = 0) -> int:
    text = pairs.get(key, str(default))
    if not text.isdecimal() or int(text) < least:
        raise LongtakeError(f"{key}={text}: expected a whole number from {least}.")
    return int(text)

"""The retrieval study: search videos, relate what sweeps retrieved to drift, write the page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from backbones.street.backbone import StreetBackbone
from eval.retrieval.drift_relation import Relation, relate_all
from harness.core.errors import ConfigError
from harness.core.events import Event, EventKind, Listener
from harness.studies.retrieval.benchmark import Benchmark, run_benchmark
from harness.studies.retrieval.choices import EncoderChoice, choose_encoders
from harness.studies.retrieval.revisits import panned_photo, shots_video
from harness.studies.retrieval.rollouts import corpus_videos
from harness.studies.retrieval.sweeps import drift_videos, sweep_maps
from harness.studies.retrieval.videos import RetrievalVideo, street_videos
from methods.encoders.corpus import Corpus
from methods.retrieval import Retrieval
from reports.studies.retrieval_page import Picture, per_video, write_retrieval
from reports.studies.retrieval_pictures import (
    MapPanel,
    draw_ages,
    draw_map,
    draw_similarity,
    draw_trajectories,
)

_LATENTS_PER_S = 4
_STEM_CHARS = 80


@dataclass(frozen=True)
class RetrievalStudy:
    """The settings of a study.

    Attributes:
        folder: folder of the page.
        retrieval: strategy that determines the candidates of a search and K.
        sweep: run store of a finished sweep whose videos retrieved something; None for none.
        num_street: number of walks along the street to render.
        corpus: folder of a corpus whose rollouts are searched; None for none.
        videos: video files of several shots each.
        photos: pictures to pan over.
        encoders: names of encoders, as `choose_encoder` reads them.
        length_s: length of rendered videos and pans.
        seed: seed of rendered videos.
        num_pictures: number of videos to draw, of each kind and of each row of the sweep.
    """

    folder: Path
    retrieval: Retrieval
    sweep: Path | None = None
    num_street: int = 0
    corpus: Path | None = None
    videos: tuple[Path, ...] = ()
    photos: tuple[Path, ...] = ()
    encoders: tuple[str, ...] = ()
    length_s: int = 30
    seed: int = 0
    num_pictures: int = 1


@dataclass(frozen=True)
class StudyResult:
    """A finished study: its page, the measures of each video, and notes for the reader."""

    page: Path
    measures: pd.DataFrame
    notes: tuple[str, ...]


def run_study(study: RetrievalStudy, listener: Listener) -> StudyResult:
    """Search the videos, relate retrieval to drift, draw the pictures and write the page.

    Args:
        study: the settings.
        listener: receiver of progress.

    Raises:
        ConfigError: nothing to search, or two files with the same name.
        LongtakeError: an input or an encoder that cannot be used.
    """
    study.folder.mkdir(parents=True, exist_ok=True)
    pictures: list[Picture] = []
    notes: list[str] = []
    relations: dict[tuple[str, str], Relation] = {}
    if study.sweep is not None:
        relations = relate_all(drift_videos(study.sweep))
        if not relations:
            notes.append(
                f"No video of {study.sweep} is scored, so retrieval can't be related to drift. "
                f"Score them with: python -m harness eval {study.sweep}"
            )
        pictures += _draw_sweep(study.folder, study.sweep, study.num_pictures)
    videos = _load_videos(study)
    if not videos and study.sweep is None:
        raise ConfigError(
            "Nothing to search; set one of street=N, corpus=FOLDER, video=FILE, photo=FILE and "
            "sweep=SWEEP."
        )
    benchmark = Benchmark((), {})
    if videos:
        encoders = choose_encoders(study.encoders)
        benchmark = _search(videos, encoders, study.retrieval, listener)
        notes += [f"{what}: left out, {reason}." for what, reason in benchmark.skipped.items()]
        notes += _training_notes(encoders)
        pictures += draw_benchmark(study.folder, videos, benchmark, study.num_pictures)
    measures = per_video(benchmark.searched)
    page = write_retrieval(study.folder, measures, relations, pictures, notes)
    return StudyResult(page, measures, tuple(notes))


def _load_videos(study: RetrievalStudy) -> list[RetrievalVideo]:
    for name, paths in (("video", study.videos), ("photo", study.photos)):
        counts = Counter(path.name for path in paths)
        if twice := [file for file, count in counts.items() if count > 1]:
            raise ConfigError(f"{name}=: two files are called {twice[0]}; rename or leave out one.")
    num_latents = _LATENTS_PER_S * study.length_s
    videos: list[RetrievalVideo] = []
    if study.num_street:
        videos += street_videos(study.num_street, num_latents, study.seed)
    if study.corpus is not None:
        videos += corpus_videos(Corpus.load(study.corpus))
    videos += [shots_video(path) for path in study.videos]
    videos += [panned_photo(path, num_latents) for path in study.photos]
    return videos


def _search(
    videos: Sequence[RetrievalVideo],
    encoders: Sequence[EncoderChoice],
    retrieval: Retrieval,
    listener: Listener,
) -> Benchmark:
    spec = StreetBackbone().spec()  # all embedded backbones have the same blocks and budget
    amounts = {video.name: len(video.latents_NCHW) for video in videos}
    with listener.stage("search", amounts, {}) as emit:

        def on_video(name: str) -> None:
            emit(Event(EventKind.progress, name, amount=amounts[name]))

        return run_benchmark(videos, encoders, retrieval, spec, on_video)


def _training_notes(encoders: Sequence[EncoderChoice]) -> list[str]:
    trained = [
        f"{choice.label} on {', '.join(choice.trained_on)}"
        for choice in encoders
        if choice.trained_on
    ]
    return [f"Trained: {'; '.join(trained)}."] if trained else []


def _draw_sweep(folder: Path, sweep: Path, num_pictures: int) -> list[Picture]:
    pictures = []
    for number, one in enumerate(sweep_maps(sweep, num_pictures)):
        picture = Picture(f"Retrieval map: {one.title}", f"sweep_{number:02d}.png")
        draw_map(folder / picture.file, one.title, [one.panel], one.frames_NHWC, one.duration_s)
        pictures.append(picture)
    return pictures


def draw_benchmark(
    folder: Path, videos: Sequence[RetrievalVideo], benchmark: Benchmark, num_pictures: int
) -> list[Picture]:
    """Draw maps, similarities and trajectories of the first videos of each kind, and ages.

    Args:
        folder: folder of the .png files.
        videos: the searched videos.
        benchmark: results of the searches.
        num_pictures: number of videos of each kind to draw.

    Returns:
        The pictures, in the order of the page.
    """
    pictures: list[Picture] = []

    def add(title: str, subject: str, stem: str) -> Path:
        words = re.sub(r"\W+", "_", f"{stem} {subject}").strip("_")[:_STEM_CHARS]
        # The number distinguishes subjects that differ only in punctuation.
        file = f"{len(pictures):02d}_{words}.png"
        pictures.append(Picture(f"{title}: {subject}", file))
        return folder / file

    for video in _first_of_each_kind(videos, num_pictures):
        vectors = {
            label: v for (label, name), v in benchmark.embeddings.items() if name == video.name
        }
        if not vectors:  # no encoder could embed this kind of video
            continue
        name, duration_s = video.name, len(video.latents_NCHW) / _LATENTS_PER_S
        panels = _map_panels(video, benchmark, vectors)
        target = add("Retrieval map", name, "map")
        draw_map(target, name, panels, video.frames_NHWC, duration_s)
        draw_similarity(add("Self-similarity", name, "similarity"), name, vectors, duration_s)
        draw_trajectories(add("Trajectories", name, "trajectories"), name, vectors, duration_s)
    for kind, ages in _ages_latents(benchmark).items():
        draw_ages(add("Age of retrieved frames", kind, "ages"), kind, ages)
    return pictures


def _first_of_each_kind(videos: Sequence[RetrievalVideo], count: int) -> list[RetrievalVideo]:
    kinds: dict[str, list[RetrievalVideo]] = {}
    for video in videos:
        kinds.setdefault(video.kind, []).append(video)
    return [video for group in kinds.values() for video in group[:count]]


def _map_panels(
    video: RetrievalVideo, benchmark: Benchmark, encoders: Collection[str]
) -> list[MapPanel]:
    """Return one panel per encoder; random and the oracle have no similarities to show."""
    # The retrieved frames are the same for every kind of relevance, so the first is enough.
    about = next(iter(video.gains), "")
    panels = []
    for one in benchmark.searched:
        if (one.video, one.about) != (video.name, about) or one.searcher not in encoders:
            continue
        found = [(result.query.frame, frame) for result in one.results for frame in result.frames]
        panels.append(
            MapPanel(
                title=one.searcher,
                query_s=[query / _LATENTS_PER_S for query, _ in found],
                frame_s=[frame / _LATENTS_PER_S for _, frame in found],
                cosines=[c for result in one.results for c in result.cosines or ()],
            )
        )
    return panels


def _ages_latents(benchmark: Benchmark) -> dict[str, dict[str, list[int]]]:
    """Return the ages of all retrieved frames, by kind of video and by searcher."""
    ages: dict[str, dict[str, list[int]]] = {}
    for one in benchmark.searched:
        ages.setdefault(one.kind, {}).setdefault(one.searcher, []).extend(
            result.query.frame - frame for result in one.results for frame in result.frames
        )
    return ages

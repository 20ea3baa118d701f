"""Scores of finished sweeps and of videos from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.api.listening import interruptible, listener_of
from harness.api.result import Result, collect
from harness.api.store import Store, find_folder
from harness.core.durations import WHOLE, asked_duration
from harness.core.errors import ConfigError
from harness.core.exits import exits_raised

if TYPE_CHECKING:
    from harness.config.manifest import Manifest
    from harness.config.sweep import Settings
    from harness.core.events import Listener
    from harness.store.run_store import RunStore


Duration = float | Literal["whole"]


def score_store(
    store: Store | str | Path,
    suite: str | Sequence[str] = "offline",
    duration: Duration | Sequence[Duration] | None = None,
    *,
    device: str = "auto",
    workers: int = 1,
    progress: bool | Listener = False,
) -> Result:
    """Score the finished videos of a run store; scores that are up to date stay.

    Args:
        store: run store, its folder, or its name in runs/.
        suite: suites, single metrics, or classes as "module:Class".
        duration: seconds from the start of each video, or "whole" for all of it; by default those
            its commands asked for.
        device: auto, cpu, cuda or cuda:N.
        workers: processes; 1 scores in this one.
        progress: see `sweep`.

    Returns:
        The run store with all its records, and what could not be scored. A metric that cannot be
        computed is not a failure: its value is NaN, with the reason in `store.scores`. One
        that raises an error or breaks its contract is a failure beside that.

    Raises:
        UnknownName: no such run store, suite or metric; names the nearest.
        ConfigError: a duration that no video reaches.
        KeyboardInterrupt: Ctrl-C, after the current clip was saved.
    """
    from harness.store.run_store import RunStore

    folder = store.folder if isinstance(store, Store) else find_folder(store)
    opened = RunStore(folder)
    settings = _settings(opened, suite, device, workers)
    durations_s = _durations_s(duration) or opened.durations_s()
    failed = _score(opened, durations_s, settings, progress)
    return collect(opened, (line.unit_id for line in opened.unit_lines()), failed)


def score_videos(
    videos: str | Path | Iterable[str | Path] | Mapping[str, str] | Mapping[Path, str],
    prompts: str | Path | Sequence[str] | None = None,
    suite: str | Sequence[str] = "offline",
    duration: Duration | Sequence[Duration] | None = None,
    *,
    name: str | None = None,
    runs: str | Path = "runs",
    backbone: str | None = None,
    method: str = "imported",
    device: str = "auto",
    workers: int = 1,
    progress: bool | Listener = False,
) -> Result:
    """Score videos that were made elsewhere; they join a run store and can be reported.

    Args:
        videos: a folder, searched with its subfolders; or paths; or a mapping from paths to
            prompts.
        prompts: of a folder, a manifest (.jsonl) or the prompt file that the videos were made from;
            of paths, one prompt each. Without prompts, metrics that compare with the prompt are
            null.
        suite: suites, single metrics, or classes as "module:Class".
        duration: seconds from the start of each video; by default their lengths, a row for each;
            "whole" makes one row of videos of several lengths.
        name: run store they join; by default the name of the folder, or "videos".
        runs: parent folder of that run store.
        backbone: label of their row; by default the name of the run store.
        method: second label of their row.
        device: auto, cpu, cuda or cuda:N.
        workers: processes; 1 scores in this one.
        progress: see `sweep`.

    Returns:
        The run store, the records of these videos, and why videos were left out, by file name.

    Raises:
        ConfigError: no such folder, videos and prompts that do not match, two videos that cannot be
            distinguished, or not one readable video.
        StoreError: the run store has a generated row of these labels.
        UnknownName: an unknown suite or metric; names the nearest.
        KeyboardInterrupt: Ctrl-C, after the current clip was saved.
    """
    from harness.run.own_videos import OwnVideos, import_videos
    from harness.store.imported import Row
    from harness.store.run_store import RunStore

    folder = Path(videos) if isinstance(videos, str | Path) else None
    name = name or (folder.resolve().name if folder else "videos")
    store = RunStore(Path(runs) / name)
    settings = _settings(store, suite, device, workers)
    manifest = _manifest(videos, prompts)
    prompt_set = Path(prompts).stem if isinstance(prompts, str | Path) else "given"
    row = Row(backbone or name, method, prompt_set)
    call = ["harness.score_videos", f"name={name}", f"backbone={row.backbone}", f"method={method}"]
    durations_s = _durations_s(duration)
    imported = import_videos(OwnVideos(manifest, row, call), store, durations_s)
    failed = _score(store, durations_s or store.durations_s(), settings, progress)
    ids = [record.unit_id for record in imported.records]
    return collect(store, ids, {**imported.left_out, **failed})


def _score(
    store: RunStore, durations_s: Sequence[float], settings: Settings, progress: bool | Listener
) -> Mapping[str, str]:
    """Score what is missing and return what failed."""
    from harness.run.final_scores import write_rows
    from harness.run.stages import score_store as score_missing

    with interruptible() as stop_requested:
        outcome = score_missing(store, durations_s, settings, listener_of(progress), stop_requested)
    write_rows(store, settings.suite)
    return outcome.failed if outcome else {}


def _settings(store: RunStore, suite: str | Sequence[str], device: str, workers: int) -> Settings:
    from eval.scoring.suite import check_suites
    from harness.config.sweep import ExecutorKind, ExecutorSettings, Settings

    suites = [suite] if isinstance(suite, str) else list(suite)
    with exits_raised():  # its metrics are imported
        check_suites(suites)
    kind = ExecutorKind.inline if workers == 1 else ExecutorKind.processes
    return Settings(
        name=store.root.name,
        runs=str(store.root.parent),
        suite=suites,
        device=device,
        executor=ExecutorSettings(kind),
        workers=workers,
    )


def _durations_s(duration: Duration | Sequence[Duration] | None) -> list[float] | None:
    if duration is None:
        return None
    several = duration if isinstance(duration, Sequence) and duration != WHOLE else [duration]
    try:
        return [asked_duration(str(one)) for one in several]
    except ValueError as error:
        raise ConfigError(f"duration={duration!r}: {error}.") from error


def _manifest(
    videos: str | Path | Iterable[str | Path] | Mapping[str, str] | Mapping[Path, str],
    prompts: str | Path | Sequence[str] | None,
) -> Manifest:
    """Match videos with their prompts.

    Raises:
        ConfigError: they don't match.
    """
    from harness.config.manifest import list_folder, list_videos, read_manifest

    if isinstance(videos, str | Path):
        if isinstance(prompts, str | Path):
            return read_manifest(Path(videos), Path(prompts))
        if prompts is not None:
            raise ConfigError(
                "The order of the videos in a folder is not known: give prompts as a file, or "
                "videos as a list or a mapping."
            )
        return list_folder(Path(videos))
    if isinstance(videos, Mapping):
        if prompts is not None:
            raise ConfigError("The mapping has the prompts already; leave out prompts.")
        return list_videos({Path(path): prompt for path, prompt in videos.items()})
    paths = [Path(path) for path in videos]
    texts = [""] * len(paths) if prompts is None else prompts
    if isinstance(texts, str | Path) or len(texts) != len(paths):
        raise ConfigError(
            f"{len(paths)} videos need as many prompts, in the same order; a file of prompts goes "
            "with a folder."
        )
    return list_videos(dict(zip(paths, texts, strict=True)))

"""Outputs of a run store: a data set, videos side by side, votes, likeness to a reference."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.store import Store, find_folder

if TYPE_CHECKING:
    import pandas as pd

    from harness.api.result import Result
    from harness.api.scoring import Duration
    from harness.core.events import Listener
    from harness.store.frames import Sweep


@dataclass(frozen=True)
class Votes:
    """The votes of people on a run store.

    Attributes:
        scores: a line per backbone and method: log `strength` by Davidson's model, `low` and `high`
            of its 95 % interval, `num_wins`, `num_ties`, `num_votes`.
        num_voters: people whose votes count.
        left_out: why files do not count, by name.
    """

    scores: pd.DataFrame
    num_voters: int
    left_out: Mapping[str, str]


def export(
    store: Store | str | Path,
    *more: Store | str | Path,
    out: str | Path | None = None,
    videos: bool = False,
) -> Path:
    """Write run stores as a data set: Parquet tables and a data card, for Hugging Face datasets.

    Args:
        store: the run store, its folder, or its name in runs/.
        more: other run stores, to be merged with it by unit id.
        out: an empty folder; by default `dataset` in the first store.
        videos: copy the videos as well.

    Returns:
        The folder.

    Raises:
        UnknownName: no such run store.
        ConfigError: the folder has files already.
    """
    from reports.papers.dataset import write_dataset

    folders, sweep = _loaded(store, more)
    target = Path(out) if out is not None else folders[0] / "dataset"
    write_dataset(sweep, target, videos)
    return target


def grid(
    store: Store | str | Path,
    *more: Store | str | Path,
    out: str | Path = "grid.mp4",
    prompt: str | None = None,
    seed: int | None = None,
    backbone: str | Sequence[str] | None = None,
    method: str | Sequence[str] | None = None,
    columns: int | None = None,
    height: int = 240,
    duration: float | None = None,
) -> Path:
    """Write the videos of one prompt and seed side by side, with labels, as one file.

    Args:
        store: the run store, its folder, or its name in runs/.
        more: other run stores, to be merged with it by unit id.
        out: the file, .mp4 or .webp.
        prompt: id of the prompt; by default the one that most rows have.
        seed: by default the smallest of the prompt.
        backbone: backbones to show; by default all.
        method: methods to show; by default all.
        columns: videos in a row; by default as many as make the grid nearly square.
        height: of each video, in pixels.
        duration: seconds from the start; by default all of the longest video.

    Returns:
        The file.

    Raises:
        UnknownName: no such run store, prompt, seed, backbone or method.
        ConfigError: no finished video, or another kind of file.
    """
    from reports.papers.grid import choose_videos, write_grid

    _, sweep = _loaded(store, more)
    chosen = choose_videos(sweep, prompt, seed, _list(backbone), _list(method))
    write_grid(chosen.shown, Path(out), columns, height, duration)
    return Path(out)


def fidelity(
    store: Store | str | Path,
    *more: Store | str | Path,
    reference: str,
    device: str = "auto",
) -> pd.DataFrame:
    """Compare videos with those of one method for the same backbone, prompt and seed.

    Args:
        store: the run store, its folder, or its name in runs/.
        more: other run stores, to be merged with it by unit id.
        reference: label of the method, such as that of a full cache.
        device: auto, cpu, cuda or cuda:N; of LPIPS.

    Returns:
        A line per pair: `psnr_db`, `ssim`, `lpips` (NaN without its weights), `num_frames`, and the
        `reason` where they are missing.

    Raises:
        UnknownName: no such run store or method.
        ConfigError: no video has a pair.
    """
    from eval.errors import MetricUnavailable
    from eval.networks.lpips import LPIPS
    from harness.core.devices import pick_device
    from reports.tables.fidelity import fidelity_pairs

    _, sweep = _loaded(store, more)
    try:
        lpips = LPIPS.load(str(pick_device(device)))
    except MetricUnavailable:
        lpips = None
    return fidelity_pairs(sweep, reference, lpips=lpips)


def vote_page(
    store: Store | str | Path,
    *more: Store | str | Path,
    out: str | Path | None = None,
    pairs: int = 60,
    seed: int = 0,
) -> Path:
    """Make a static page for blind votes on pairs of videos.

    Its key, `vote_key.json` in the first store, tells which side is which; keep it from voters.

    Args:
        store: the run store, its folder, or its name in runs/.
        more: other run stores, to be merged with it by unit id.
        out: folder of the page; by default `vote` in the first store.
        pairs: pairs that each person is asked about.
        seed: of sides and order.

    Returns:
        Path of the page, index.html.

    Raises:
        UnknownName: no such run store.
        ConfigError: no two videos of one backbone, prompt and seed.
    """
    from reports.votes.page import PAGE_FOLDER, write_vote_page

    folders, sweep = _loaded(store, more)
    target = Path(out) if out is not None else folders[0] / PAGE_FOLDER
    write_vote_page(sweep, target, folders[0], pairs, seed)
    return target / "index.html"


def count_votes(store: Store | str | Path, votes: Iterable[str | Path]) -> Votes:
    """Count files of votes and score the methods by Davidson's model.

    Args:
        store: the run store that the page was made for.
        votes: files, or folders of them.

    Raises:
        UnknownName: no such run store.
        ConfigError: no page was made for it.
    """
    import pandas as pd

    from reports.votes.ballots import VoteScore, ballot_files, read_key, vote_scores
    from reports.votes.ballots import count_votes as count

    (folder,) = _folders(store)
    counted = count(ballot_files(map(Path, votes)), read_key(folder))
    columns = list(VoteScore.__dataclass_fields__)
    scores = pd.DataFrame([vars(one) for one in vote_scores(counted)], columns=columns)
    return Votes(scores, counted.num_voters, counted.left_out)


def judge(
    store: Store | str | Path,
    url: str | None = None,
    model: str | None = None,
    duration: Duration | Sequence[Duration] | None = None,
    *,
    progress: bool | Listener = False,
) -> Result:
    """Let a vision language model behind an OpenAI-compatible address judge the finished videos.

    The key is read from LONGTAKE_JUDGE_KEY, the most tokens from LONGTAKE_JUDGE_TOKENS.

    Args:
        store: run store, its folder, or its name in runs/.
        url: address up to /v1; by default LONGTAKE_JUDGE_URL.
        model: its name there; by default LONGTAKE_JUDGE_MODEL.
        duration: see `score_store`.
        progress: see `sweep`.

    Returns:
        As `score_store`; a question without an answer is a NaN with its reason.

    Raises:
        UnknownName: no such run store.
    """
    from harness.api.scoring import score_store

    with _environment(LONGTAKE_JUDGE_URL=url, LONGTAKE_JUDGE_MODEL=model):
        return score_store(store, "judge", duration, progress=progress)


def _folders(*stores: Store | str | Path) -> list[Path]:
    return [one.folder if isinstance(one, Store) else find_folder(one) for one in stores]


def _loaded(
    store: Store | str | Path, more: Sequence[Store | str | Path]
) -> tuple[list[Path], Sweep]:
    from harness.store.frames import load_sweeps

    folders = _folders(store, *more)
    return folders, load_sweeps(folders)


def _list(names: str | Sequence[str] | None) -> Sequence[str] | None:
    return [names] if isinstance(names, str) else names


@contextmanager
def _environment(**variables: str | None) -> Iterator[None]:
    """Set environment variables for a while; None leaves one as it is."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update({name: value for name, value in variables.items() if value is not None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

"""Scores and videos of run stores in TensorBoard and Weights & Biases.

A row, a backbone with a method on a prompt set, is one run there. Its numbers are those of the
tables, by suite, metric and duration: means over the prompts and seeds that all rows have. Its
curves are means over the same ones, by the middle of a clip. Texts name no folder of this machine.
"""

from __future__ import annotations

import io
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from eval.video.decode import probe, read_frames
from harness.core.durations import WHOLE_S, duration_name
from harness.core.errors import ConfigError
from harness.core.names import file_stem
from harness.store.frames import Sweep, as_dicts
from methods.encoders.trackers import load_tracker
from reports.site.published import published
from reports.tables.comparison import compare_all
from reports.tables.curves import KEYS, compared_curves
from reports.tables.table import Comparison

_ROW = ["backbone", "method", "prompt_set"]
_GIF_HEIGHT_PX, _GIF_FRAMES, _GIF_FPS = 120, 48, 4


@dataclass(frozen=True)
class TrackedVideo:
    """A video of a row."""

    path: Path
    prompt_id: str
    prompt: str
    seed: int

    @property
    def name(self) -> str:
        """Return what tells it from the others of its row."""
        return f"{self.prompt_id} seed {self.seed}"


@dataclass(frozen=True)
class TrackedRow:
    """A row, as both programs get it.

    Attributes:
        name: of the run.
        settings: labels, and the arguments of backbone and method.
        means: suite, metric, duration_s and value.
        curves: suite, metric, second and value.
        videos: the finished ones.
    """

    name: str
    settings: Mapping[str, Any]
    means: pd.DataFrame
    curves: pd.DataFrame
    videos: tuple[TrackedVideo, ...]


def tracked_rows(sweep: Sweep) -> Iterator[TrackedRow]:
    """Yield the rows of a sweep that have a finished video."""
    shown = published(sweep)
    tables = compare_all(shown)
    means, curves = _means(tables), _curves(shown, tables)
    done = shown.units[shown.units["status"] == "done"]
    for labels, units in done.groupby(_ROW, sort=False):
        first = as_dicts(units)[0]
        arguments = {name: first[name] for name in ("backbone_args", "method_args")}
        yield TrackedRow(
            name=", ".join(str(label) for label in labels if label),
            settings=dict(zip(_ROW, labels, strict=True))
            | {name: args for name, args in arguments.items() if isinstance(args, dict)},
            means=_of_row(means, labels),
            curves=_of_row(curves, labels),
            videos=tuple(
                TrackedVideo(
                    sweep.unit_folder(unit) / unit["video"],
                    str(unit["prompt_id"]),
                    str(unit["prompt"]),
                    int(unit["seed"]),
                )
                for unit in as_dicts(units)
            ),
        )


def _means(tables: Sequence[Comparison]) -> pd.DataFrame:
    lines = [
        (row.backbone, row.method, row.prompt_set, table.suite, name, table.duration_s, cell.mean)
        for table in tables
        for row in table.rows
        for name, cell in row.cells.items()
        if cell.mean is not None
    ]
    return pd.DataFrame(lines, columns=[*_ROW, "suite", "metric", "duration_s", "value"])


def _curves(sweep: Sweep, tables: Sequence[Comparison]) -> pd.DataFrame:
    found = [pd.DataFrame(columns=[*KEYS, "second", "value"])]
    for curves in compared_curves(sweep, tables):
        known = curves.points.dropna(subset="value")
        means = known.groupby(["key", "second"])["value"].mean().reset_index("second")
        found.append(curves.labelled(means))
    return pd.concat(found[1:] or found, ignore_index=True)


def _of_row(lines: pd.DataFrame, labels: Sequence[Hashable]) -> pd.DataFrame:
    return lines[(lines[_ROW] == list(labels)).all(axis=1)].drop(columns=_ROW)


def write_tensorboard(sweep: Sweep, out: Path, videos: bool = False) -> list[Path]:
    """Write event files for `tensorboard --logdir`, a folder for each row.

    Steps are whole numbers there, so times are in ms: `scores by ms/SUITE/METRIC` has the duration
    as its step (0 for whole videos), `over time by ms/SUITE/METRIC` the middle of a clip; videos
    are animated pictures.

    Args:
        sweep: the loaded run stores.
        out: a folder that is empty or not there yet.
        videos: show the videos too.

    Returns:
        The folders of the rows.

    Raises:
        ConfigError: the package is not installed, or the folder holds something.
    """
    module = load_tracker("torch.utils.tensorboard", "to=tensorboard")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"out={out}: expected an empty folder, or none.")
    folders = []
    for row in tracked_rows(sweep):
        folders.append(out / file_stem(row.name))
        writer = module.SummaryWriter(str(folders[-1]))
        for line in as_dicts(row.means):
            step_ms = 0 if line["duration_s"] == WHOLE_S else round(1000 * line["duration_s"])
            tag = f"scores by ms/{line['suite']}/{line['metric']}"
            writer.add_scalar(tag, line["value"], step_ms)
        for line in as_dicts(row.curves):
            tag = f"over time by ms/{line['suite']}/{line['metric']}"
            writer.add_scalar(tag, line["value"], round(1000 * line["second"]))
        writer.add_text("settings", "\n".join(f"    {k}: {v}" for k, v in row.settings.items()))
        for video in row.videos if videos else ():
            _add_gif(writer, video)
        writer.close()
    return folders


def _add_gif(writer: Any, video: TrackedVideo) -> None:
    """Add a video as TensorBoard shows one, without the further package that its writer wants."""
    proto = load_tracker("tensorboard.compat.proto.summary_pb2", "to=tensorboard")
    pictures = _pictures(video.path)
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=1000 // _GIF_FPS,
        loop=0,
    )
    image = proto.Summary.Image(
        height=pictures[0].height,
        width=pictures[0].width,
        colorspace=3,
        encoded_image_string=buffer.getvalue(),
    )
    value = proto.Summary.Value(tag=f"{video.name}: {video.prompt}"[:200], image=image)
    writer.file_writer.add_summary(proto.Summary(value=[value]))


def _pictures(path: Path) -> list[Image.Image]:
    """Return some small frames of a video, evenly spaced: at most four a second and 48."""
    info = probe(path)
    wanted = min(_GIF_FRAMES, max(1, round(info.num_frames / float(info.fps) * _GIF_FPS)))
    chosen = set(np.linspace(0, info.num_frames - 1, wanted).round().astype(int).tolist())
    size = (max(1, round(_GIF_HEIGHT_PX * info.width / info.height)), _GIF_HEIGHT_PX)
    return [
        Image.fromarray(cv2.resize(frame_HWC, size, interpolation=cv2.INTER_AREA))
        for index, frame_HWC in enumerate(read_frames(path))
        if index in chosen
    ]


def write_wandb(sweep: Sweep, out: Path, project: str, videos: bool = False) -> list[str]:
    """Log each row as a run of Weights & Biases; WANDB_MODE=offline keeps them in `out`.

    The summary has `SUITE/METRIC/DURATION`, the history `over time/SUITE/METRIC` by `seconds`.

    Args:
        sweep: the loaded run stores.
        out: folder of its files.
        project: name of the project.
        videos: add a table of videos.

    Returns:
        Names of the runs.

    Raises:
        ConfigError: the package is not installed.
    """
    module = load_tracker("wandb", "to=wandb")
    out.mkdir(parents=True, exist_ok=True)
    names = []
    for row in tracked_rows(sweep):
        run = module.init(
            project=project,
            group=sweep.name,
            name=row.name,
            dir=str(out),
            config=dict(row.settings),
            reinit="finish_previous",
        )
        run.define_metric("over time/*", step_metric="seconds")
        for second, lines in row.curves.groupby("second"):
            values = {f"over time/{o['suite']}/{o['metric']}": o["value"] for o in as_dicts(lines)}
            run.log({"seconds": float(str(second)), **values})
        for line in as_dicts(row.means):
            key = f"{line['suite']}/{line['metric']}/{duration_name(line['duration_s'])}"
            run.summary[key] = line["value"]
        if videos:
            table = module.Table(columns=["prompt_id", "prompt", "seed", "video"])
            for video in row.videos:
                shown = module.Video(str(video.path), format=video.path.suffix[1:])
                table.add_data(video.prompt_id, video.prompt, video.seed, shown)
            run.log({"videos": table})
        run.finish()
        names.append(row.name)
    return names

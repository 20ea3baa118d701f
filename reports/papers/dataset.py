"""A run store as a data set: Parquet tables and a card, in the layout of Hugging Face datasets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd

from harness.core.errors import ConfigError
from harness.store.frames import Sweep, as_dicts, with_labels
from reports.site.published import published
from reports.tables.export import write_parquet
from reports.tables.formatting import markdown_table

TABLES = {
    "units": "A line per video and row: labels, outcome, sizes, memory and settings.",
    "scores": "A line per video, suite, metric and duration; the reason where there is no value.",
    "curves": "A line per video, metric and clip of two seconds.",
    "timings": "A line per video and stage of its generation, in seconds.",
}


def write_dataset(sweep: Sweep, out: Path, videos: bool = False) -> list[Path]:
    """Write the tables of a sweep as Parquet, with a card that describes them.

    Texts name no folder of this machine.

    Args:
        sweep: the loaded run stores.
        out: a folder that is empty or not there yet.
        videos: also copy the videos, with a metadata.parquet that tells which is which.

    Returns:
        The files, README.md first.

    Raises:
        ConfigError: the folder holds something.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"out={out}: expected an empty folder, or none.")
    shown = published(sweep)
    units = shown.units.drop(columns="source")
    for name in ("backbone_args", "method_args"):
        units[name] = [
            json.dumps(args, sort_keys=True) if isinstance(args, dict) else None
            for args in units[name]
        ]
    frames = {
        "units": units,
        **{name: with_labels(getattr(shown, name), units) for name in list(TABLES)[1:]},
    }
    (out / "data").mkdir(parents=True)
    written = []
    for name, frame in frames.items():
        written.append(out / "data" / f"{name}.parquet")
        write_parquet(frame, written[-1])
    if videos:
        written += _copy_videos(sweep, units, out / "videos")
    card = out / "README.md"
    card.write_text(_card(shown, frames, videos), encoding="utf-8")
    return [card, *written]


def _copy_videos(sweep: Sweep, units: pd.DataFrame, folder: Path) -> list[Path]:
    folder.mkdir()
    done = sweep.units[sweep.units["status"] == "done"].drop_duplicates("unit_id")
    names = {}
    for unit in as_dicts(done):
        source = sweep.unit_folder(unit) / unit["video"]
        names[unit["unit_id"]] = f"{unit['unit_id']}{source.suffix}"
        shutil.copyfile(source, folder / names[unit["unit_id"]])
    labelled = units[units["unit_id"].isin(list(names))]
    metadata = folder / "metadata.parquet"
    write_parquet(
        labelled.assign(file_name=[names[unit_id] for unit_id in labelled["unit_id"]]), metadata
    )
    return [metadata, *(folder / name for name in names.values())]


def _card(sweep: Sweep, frames: dict[str, pd.DataFrame], videos: bool) -> str:
    configs = [f"- config_name: {name}\n  data_files: data/{name}.parquet" for name in frames]
    if videos:
        configs.append("- config_name: videos\n  data_dir: videos")
    licences = sorted(set(sweep.units["licence"].dropna()))
    header = ["---", "tags:", "- video", "- longtake", "configs:", *configs, "---"]
    suites = [
        (name, version[0], ", ".join(sweep.metrics[name]))
        for name, version in sweep.versions.items()
    ]
    lines = [(name, f"{len(frame):,}", TABLES[name]) for name, frame in frames.items()]
    counts = sweep.units.drop_duplicates("unit_id")["status"].value_counts()
    commands = [
        " ".join(command.argv) for source in sweep.sources for command in source.header.commands
    ]
    parts = [
        "\n".join(header),
        f"# {sweep.name}",
        "Long videos of autoregressive models, made and scored with Longtake: "
        + ", ".join(f"{count} {status}" for status, count in counts.items())
        + ".",
        markdown_table(("Table", "Lines", "Content"), lines),
        "## Suites\n\n" + markdown_table(("Suite", "Version", "Metrics"), suites),
        "Numbers of different suites, and of different versions of one, do not compare.",
        "## Weights\n\nLicences of the weights: " + (", ".join(licences) or "none stated") + ".",
        "## Commands\n\n" + "\n".join(f"    {command}" for command in commands),
    ]
    return "\n\n".join(parts) + "\n"

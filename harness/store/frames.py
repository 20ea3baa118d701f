"""Run stores as pandas frames in long form. The files are the only source of truth.

A unit may belong to two rows of a table (two labels, one identity). So `units` has one line per
unit and row, while `scores`, `curves` and `timings` are keyed by unit only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.store.columns import Coded, index_of, places
from harness.store.files import Reader
from harness.store.folders import require_sweep
from harness.store.header import Header, lost_beside_others, read_header
from harness.store.lines import UnitLine
from harness.store.merge import Conflict, Store, merge_labels, merge_outcomes, unique_names
from harness.store.outcome_columns import read_units
from harness.store.paths import StorePaths
from harness.store.score_files import Videos
from harness.store.score_parts import KeptParts
from harness.store.scores import Measured, load_scores

LABELS = ["unit_id", "backbone", "method", "prompt_id", "prompt", "seed"]
ROW = ["backbone", "method"]


@dataclass(frozen=True)
class Source:
    """One run store of a report."""

    folder: Path
    header: Header


@dataclass(frozen=True, kw_only=True)
class Sweep(Measured):
    """The content of one run store, or of several merged by unit id.

    Attributes:
        sources: the run stores, in the order given.
        units: one line per unit and table row: `LABELS`, prompt_set, source (an index into
            `sources`; of a merged unit, the store it is taken from), what the record says (`TEXTS`:
            status is done, running, failed or missing, and reason says why not done), `NUMBERS`
            and `FACTS`.
        scores: suite, unit_id, duration_s, metric, value (NaN when null), reason, and frozen:
            whether the video stands still over this duration.
        clips: the curves, and the drift of each as computed by the suite.
        ages: suite, unit_id, duration_s, metric, age_s, value; of metrics that give their number by
            the seconds since something was first in view.
        segments: suite, unit_id, metric, segment (index), start_s, value (mean of the curve over
            the segment's clips, NaN when null); of videos whose prompt changes.
        timings: unit_id, stage, seconds.
        metrics: description of each metric of each suite, in the order of the files.
        versions: the version of each suite; files of several versions are refused.
        frozen: (unit_id, duration_s) of videos that any suite reports as standing still.
        looping: by place in `clips.units`, whether the video returns to its first frame: 1 if it
            does over any duration, 0 if not, and -1 where that was not counted.
        conflicts: units whose bytes differ between two stores.
        warnings: one line per file that was left out.
    """

    sources: tuple[Source, ...]
    units: pd.DataFrame
    timings: pd.DataFrame
    conflicts: tuple[Conflict, ...]
    warnings: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Folder of the first run store."""
        return self.sources[0].folder

    @property
    def header(self) -> Header:
        """Header of the first run store."""
        return self.sources[0].header

    @property
    def name(self) -> str:
        """The names of the run stores."""
        return " + ".join(source.header.name for source in self.sources)

    @property
    def backbones(self) -> list[str]:
        """Backbone labels in the order of the sweep."""
        return list(self.units["backbone"].unique())

    @property
    def methods(self) -> list[str]:
        """Method labels in the order of the sweep."""
        return list(self.units["method"].unique())

    @cached_property
    def curves(self) -> pd.DataFrame:
        """All curves at once, which takes 40 bytes a clip and metric.

        Columns: suite, unit_id, metric, start_s, end_s, value, first_similarity (of the clip's
        feature to the first clip's, NaN for a metric without); clips of the longest duration.
        """
        return self.clips.frame()

    @cached_property
    def moving_scores(self) -> pd.DataFrame:
        """Scores of the videos that move: those that means, ranks and tests are over.

        A frozen video is best in every consistency, so a broken model would win with it.
        """
        return self.scores[~self.scores["frozen"]]

    def rows(self) -> Iterator[tuple[str, str, pd.DataFrame]]:
        """Yield the units of every table row (backbone, method), in the order of the sweep."""
        for (backbone, method), units in self.units.groupby(ROW, sort=False):
            yield str(backbone), str(method), units

    @property
    def settled(self) -> bool:
        """True if the sweep is complete: all units ended, and all requested suites are scored."""
        if not self.units["status"].isin(["done", "failed"]).all():
            return False
        asked = {
            suite
            for source in self.sources
            for command in source.header.commands
            for suite in command.suites
        }
        units = index_of(self.units["unit_id"])
        num_done = self.units.loc[self.units["status"] == "done", "unit_id"].nunique()
        unit, suites = places(self.scores["unit_id"], units), self.scores["suite"]
        for suite in asked:
            scored_U = np.zeros(len(units), bool)
            scored_U[unit[suites == suite]] = True
            if scored_U.sum() < num_done:
                return False
        return True

    def unit_folder(self, unit: dict[str, Any]) -> Path:
        """Return the folder of a line of `units`."""
        return self.paths_of(unit).unit_dir(unit["unit_id"])

    def paths_of(self, unit: dict[str, Any]) -> StorePaths:
        """Return the layout of the store that holds a line of `units`."""
        return StorePaths(self.sources[unit["source"]].folder)


def as_dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Convert the lines of a frame to plain Python values; None where there is no text."""
    names = [str(name) for name in frame]
    columns = [_as_list(column) for _, column in frame.items()]
    return [dict(zip(names, line, strict=True)) for line in zip(*columns, strict=True)]


def _as_list(column: pd.Series) -> list[Any]:
    if isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype):
        known = column.notna()
        return column.tolist() if known.all() else column.astype(object).where(known, None).tolist()
    return column.tolist()


def with_labels(frame: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
    """Join a frame keyed by unit id with the labels of each unit, once per row it stands in."""
    labels = [*LABELS[:3], "prompt_set", *LABELS[3:]]
    return units[labels].merge(frame, on="unit_id")


def load_sweep(folder: Path) -> Sweep:
    """Read one sweep folder; see `load_sweeps`."""
    return load_sweeps([folder])


def load_sweeps(folders: Sequence[Path], kept: KeptParts | None = None) -> Sweep:
    """Read sweep folders, merging those of several people or clusters by unit id.

    Args:
        folders: the sweeps.
        kept: scores that the last report kept; None reads all files, and holds all curves.

    Raises:
        LongtakeError: a folder is not a sweep, or a suite was scored with several versions.
    """
    folders = list(dict.fromkeys(Path(folder).resolve() for folder in folders))
    for folder in folders:
        require_sweep(folder)
    headers = [read_header(StorePaths(folder).header_path) for folder in folders]
    names = unique_names([header.name for header in headers])
    stores = [
        _store(folder, header, f"{name}: " if len(folders) > 1 else "", name)
        for folder, header, name in zip(folders, headers, names, strict=True)
    ]
    labels, notes = merge_labels(stores)
    place = labels["unit_id"].cat.codes.to_numpy(np.int64)
    met = labels["unit_id"].cat.categories
    videos = [Videos(store.reader, store.videos_of(met)) for store in stores]
    outcomes, source, conflicts = merge_outcomes(stores, met)
    del stores, met
    # A copy, as an index that was searched keeps a table of 0.1 KiB for each unit.
    units = deepcopy(labels["unit_id"].dtype)
    assert isinstance(units, pd.CategoricalDtype)
    labels["unit_id"] = pd.Categorical.from_codes(place, dtype=units)
    rows = labels[~labels["unit_id"].duplicated()].groupby(ROW, sort=False)
    columns = {"source": source, **outcomes.columns()}
    timings = outcomes.timings.rename(columns={"unit": "unit_id"})
    timings["unit_id"] = pd.Categorical.from_codes(outcomes.timings["unit"], dtype=units)
    frame = labels.assign(**{name: column[place] for name, column in columns.items()})
    parts = [place[row.index] for _, row in rows["seed"]]
    del labels, outcomes, columns, rows, place  # they are as large as the scores
    measured = load_scores(videos, units, parts, kept)
    return Sweep(
        **vars(measured),
        sources=tuple(
            Source(folder, replace(header, name=name))
            for folder, header, name in zip(folders, headers, names, strict=True)
        ),
        units=frame,
        timings=timings,
        conflicts=tuple(conflicts),
        warnings=(*notes, *(text for one in videos for text in one.reader.warnings)),
    )


def _store(folder: Path, header: Header, prefix: str, name: str) -> Store:
    reader = Reader(folder, prefix)
    labels = _labels(reader, header)
    units = labels["unit_id"].cat.categories
    return Store(name, reader, labels, read_units(reader, units.tolist()))


def _labels(reader: Reader, header: Header) -> pd.DataFrame:
    path = reader.paths.unit_lines_path
    names = [*(name for name in LABELS if name != "seed"), "prompt_set", "row_id"]
    texts = {name: Coded() for name in names}
    seeds: list[int] = []
    for line in reader.read_lines(path, UnitLine):
        values = vars(line) | {
            "prompt": line.all_prompts,
            "prompt_set": line.prompt_id.rpartition("/")[0],
        }
        for name, column in texts.items():
            column.add(values[name])
        seeds.append(line.seed)
    found = len(seeds) + len(reader.warnings)  # damaged ones are there
    if lost := lost_beside_others(reader.paths.header_path, header, found):
        reader.warn(path, f"{lost}.")
    columns: dict[str, Any] = {name: column.texts() for name, column in texts.items()}
    columns |= {"seed": pd.Series(seeds) if seeds else pd.Series([], dtype=object)}
    frame = pd.DataFrame(columns, columns=[*LABELS, "prompt_set", "row_id"], copy=False)
    # A repeated command appends the same units again.
    return frame.drop_duplicates(["unit_id", *ROW], ignore_index=True)

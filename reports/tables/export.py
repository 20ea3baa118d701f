"""Comparisons as files: CSV and Parquet in full precision, and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet as pq

from eval.metric import Kind
from harness.store.columns import categories, plain_texts
from harness.store.frames import Sweep
from harness.store.outcomes import TEXTS
from reports.tables.comparison import timing_table
from reports.tables.competitor import FROZEN, frozen_words
from reports.tables.formatting import markdown_table, number, one_line, seconds, with_error
from reports.tables.spreadsheet import in_groups, write_csv
from reports.tables.table import Comparison, Row

MAX_NAMED = 5
"""Frozen videos of a row that a caption names."""


def write_tables(sweep: Sweep, comparisons: Sequence[Comparison], folder: Path) -> list[Path]:
    """Write all tables into `folder` and return the files in the order written.

    One .csv, .parquet and .md per comparison, and the frames behind them: units (the outcome of
    each unit), scores (one line per unit, duration and metric), timings (mean seconds per row), all
    as .csv and .parquet, and curves.parquet.
    """
    written = []
    for comparison in comparisons:
        written += _write_frame(comparison.frame(), folder / comparison.name)
        path = folder / f"{comparison.name}.md"
        path.write_text(markdown(comparison), encoding="utf-8")
        written.append(path)
    sources = [source.header.name for source in sweep.sources]
    units = sweep.units.drop(columns=["backbone_args", "method_args"])
    units["source"] = categories(sources, units["source"].to_numpy())
    for name, frame in (
        ("units", units),
        ("scores", sweep.scores),
        ("timings", timing_table(sweep)),
    ):
        written += _write_frame(frame, folder / name)
    return [*written, _write_curves(sweep, folder / "curves.parquet")]


def _write_curves(sweep: Sweep, path: Path) -> Path:
    """Write all curves row by row, as they are read: together they may not fit into memory."""
    with ExitStack() as stack:
        writer = None
        for frame in sweep.clips.frames() if sweep.clips.parts else [sweep.clips.frame()]:
            table = pa.table({str(name): _in_arrow(column) for name, column in frame.items()})
            writer = writer or stack.enter_context(pq.ParquetWriter(path, table.schema))
            writer.write_table(table)
    return path


def _in_arrow(column: pd.Series) -> pa.Array:
    """Return a column of numbers or categories, with the same type whatever their number."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return pa.array(column.to_numpy(), from_pandas=True)
    codes = column.cat.codes.to_numpy(np.int32)
    return pa.DictionaryArray.from_arrays(codes, pa.array(column.cat.categories, pa.string()))


def write_drift(ends: pd.DataFrame, intervals: pd.DataFrame, folder: Path) -> list[Path]:
    """Write drift_ends and drift_intervals, of `reports.tables.drift_ends`; .csv and .parquet."""
    ends_files = _write_frame(ends, folder / "drift_ends")
    return [*ends_files, *_write_frame(intervals, folder / "drift_intervals")]


def write_recall(points: pd.DataFrame, folder: Path) -> list[Path]:
    """Write recall.csv and .parquet, of `reports.tables.recall.recall_points`; nothing without."""
    return _write_frame(points, folder / "recall") if len(points) else []


def write_segments(means: pd.DataFrame, folder: Path) -> list[Path]:
    """Write segments.csv and .parquet, of `reports.tables.segments`; nothing without scripts."""
    return _write_frame(means, folder / "segments") if len(means) else []


def _write_frame(frame: pd.DataFrame, stem: Path) -> list[Path]:
    csv, parquet = (stem.with_name(stem.name + suffix) for suffix in (".csv", ".parquet"))
    write_csv(frame, csv)
    write_parquet(frame, parquet)
    return [csv, parquet]


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as Parquet in groups of lines, columns without any value as numbers."""
    known = {str(name): column.notna().to_numpy() for name, column in frame.items()}
    # Such a column has no type of its own, and Parquet needs one.
    untyped = dict.fromkeys((name for name, of in known.items() if not of.any()), "float64")
    # A line with a value for each column shows the types of all.
    shown = sorted({int(of.argmax()) for of in known.values() if len(of)})
    schema = pa.Schema.from_pandas(_plain(frame.iloc[shown]).astype(untyped), preserve_index=False)
    with pq.ParquetWriter(path, schema) as writer:
        for part in in_groups(frame):
            plain = _plain(part).astype(untyped)
            writer.write_table(pa.Table.from_pandas(plain, schema, preserve_index=False))


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with its texts in the types that its files have always had."""
    return plain_texts(
        frame, [name for name in TEXTS if name in frame] if "status" in frame else ()
    )


def markdown(comparison: Comparison) -> str:
    """Return the comparison as a Markdown table with a caption below it."""
    header = ["Backbone", "Prompt set", "Method", "Avg. rank"]
    header += [f"{_escape(info.title)} {info.arrow}".rstrip() for info in comparison.metrics]
    header += ["Prompts", "Videos"]
    lines = []
    for group in comparison.groups:
        for row in group.rows:
            counts = (group.num_prompts, len(group.pairs)) if row.competes else (0, 0)
            lines.append(
                [
                    _escape(group.backbone),
                    _escape(group.prompt_set),
                    _escape(row.method) + ("" if row.complete else " †"),
                    number(row.average_rank, 2),
                    *_cells(comparison, row),
                    *map(str, counts),
                ]
            )
    return f"{markdown_table(header, lines, num_left=3)}\n\n{caption(comparison)}\n"


def _cells(comparison: Comparison, row: Row) -> list[str]:
    cells = []
    for name, cell in row.cells.items():
        decimals = comparison.decimals(name)
        value = with_error(cell.mean, cell.interval, cell.stderr, decimals)
        cells.append(f"**{value}**" if cell.best else value)
    return cells


def caption(comparison: Comparison) -> str:
    """Describe the table and its numbers in plain text."""
    groups = "; ".join(
        f"{group.backbone}: {group.num_prompts} prompts, {len(group.pairs)} videos per row"
        for group in comparison.groups
    )
    frozen = frozen_note(comparison)
    note = "These are not VBench scores. " if comparison.kind is Kind.proxy else ""
    return (
        f"Suite {comparison.suite} ({comparison.kind}), version {comparison.version}, "
        f"videos of {seconds(comparison.duration_s)}. {note}{groups}. "
        "Mean with its 95 % interval over prompts, or ± standard error where there are too few, "
        "over the prompts and seeds that all compared rows of a backbone have. Bold: best mean "
        "within the backbone, where tests rule out that every row is the best. Average rank: mean "
        "of the ranks within the backbone over the metrics of quality that all its rows have, ties "
        "averaged. "
        "†: the row lacks videos that other rows have." + (f" {frozen}" if frozen else "")
    )


def frozen_note(comparison: Comparison) -> str | None:
    """Say which videos are left out because they stand still; None if all move."""
    rows = []
    for group in comparison.groups:
        for row in group.rows:
            videos = [
                f"{out.prompt_id} seed {out.seed}"
                for out in group.left_out
                if out.method == row.method and out.reason == FROZEN
            ]
            if videos:
                named = ", ".join([*videos[:MAX_NAMED], *(["…"] if videos[MAX_NAMED:] else [])])
                count = frozen_words(row.num_frozen, row.num_videos)
                rows.append(f"{row.backbone}, {row.method}: {count} ({named})")
    if not rows:
        return None
    why = "at least half of the clips show no motion"
    return f"Left out of means and ranks, because {why}: {'; '.join(rows)}."


def _escape(label: str) -> str:
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|~" else c for c in one_line(label))

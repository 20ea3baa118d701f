"""The retrieval benchmark as tables (CSV, Markdown) and one page with its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, select_autoescape

from eval.retrieval.drift_relation import AHEAD_S, PREDICTORS, Relation
from eval.retrieval.measures import MEASURES, RELEVANT, Searched, means
from eval.statistics import bootstrap_interval
from harness.store.frames import as_dicts
from reports.tables.formatting import DASH, bounds
from reports.tables.spreadsheet import write_csv

_TEMPLATES = Path(__file__).parent / "templates"
_COLUMNS = (*MEASURES, "coverage")
LEGEND = (
    "Mean over videos with a 95 % interval (bootstrap-t over videos). A candidate is relevant when "
    f"its gain is at least {RELEVANT:g}; queries without one don't count for recall, precision and "
    "nDCG."
)


@dataclass(frozen=True)
class Picture:
    """A picture of the page."""

    title: str
    file: str


def per_video(searched: Sequence[Searched]) -> pd.DataFrame:
    """Return one line per video, relevance, searcher and measure.

    Returns:
        kind, about, video, searcher, measure, value (NaN where a measure does not apply).
    """
    lines = [
        (one.kind, one.about, one.video, one.searcher, name, value)
        for one in searched
        for name, value in means(one.results, one.num_rounds).items()
    ]
    columns = ["kind", "about", "video", "searcher", "measure", "value"]
    return pd.DataFrame(lines, columns=columns).astype({"value": float})


def summarise(videos: pd.DataFrame) -> pd.DataFrame:
    """Return means over videos, and differences to the first searcher of a kind and relevance.

    Returns:
        kind, about, searcher, measure, mean, low, high, num_videos (that have the measure),
        difference, difference_low, difference_high.
    """
    keys = ["kind", "about", "searcher", "measure"]
    lines = []
    known = videos.dropna(subset="value")
    values = {key: group.set_index("video")["value"] for key, group in known.groupby(keys)}
    groups = keys[:2]
    firsts = videos.drop_duplicates(groups).set_index(groups)["searcher"].to_dict()
    for key in videos[keys].drop_duplicates().itertuples(index=False, name=None):
        first = firsts[key[:2]]
        own = values.get(key, pd.Series(dtype=float))
        reference = values.get((*key[:2], first, key[3]), pd.Series(dtype=float))
        paired = (own - reference).dropna() if key[2] != first else pd.Series(dtype=float)
        lines.append((*key, *_mean(own), len(own), *_mean(paired)))
    differences = ["difference", "difference_low", "difference_high"]
    columns = [*keys, "mean", "low", "high", "num_videos", *differences]
    return pd.DataFrame(lines, columns=columns)


def _mean(values: pd.Series) -> tuple[float | None, float | None, float | None]:
    """Return mean and 95 % interval over videos."""
    if values.empty:
        return None, None, None
    numbers = [float(value) for value in values]
    low, high = bounds(bootstrap_interval(numbers, range(len(numbers))))
    return sum(numbers) / len(numbers), low, high


def tables(summary: pd.DataFrame) -> dict[str, list[list[str]]]:
    """Return tables as text: means, then differences to the first searcher; a line per searcher."""
    found = {}
    for (kind, about), group in summary.groupby(["kind", "about"], sort=False):
        most = int(group["num_videos"].max())
        subject = f"{kind}{f', same {about}' if about else ''}"
        title = f"{subject} ({most} video{'s' if most != 1 else ''})"
        searchers = list(group["searcher"].unique())
        found[title] = _table(group, searchers, ("mean", "low", "high"), "")
        if len(searchers) > 1 and most > 1:
            columns = ("difference", "difference_low", "difference_high")
            name = f"{subject}: difference to {searchers[0]}, video by video"
            found[name] = _table(group, searchers[1:], columns, "+")
    return found


def _table(
    group: pd.DataFrame, searchers: Sequence[str], columns: tuple[str, str, str], sign: str
) -> list[list[str]]:
    lines = [["", *_COLUMNS]]
    for searcher in searchers:
        of_searcher = as_dicts(group[group["searcher"] == searcher])
        found = {line["measure"]: line for line in of_searcher}
        cells = ((found[name][column] for column in columns) for name in _COLUMNS)
        lines.append([searcher, *(_cell(mean, low, high, sign) for mean, low, high in cells)])
    return lines


def _cell(mean: float | None, low: float | None, high: float | None, sign: str) -> str:
    if mean is None or pd.isna(mean):
        return DASH
    shown = f"{mean:{sign}.3g}"
    return shown if low is None or pd.isna(low) else f"{shown} [{low:{sign}.3g}, {high:{sign}.3g}]"


def drift_table(relations: Mapping[tuple[str, str], Relation]) -> list[list[str]]:
    """Return rank correlations as text: a line per metric, a column per predictor."""
    metrics = list(dict.fromkeys(metric for _, metric in relations))
    lines = [["", *PREDICTORS]]
    for metric in metrics:
        cells = []
        for predictor in PREDICTORS:
            relation = relations[predictor, metric]
            if relation.mean is None:
                cells.append(DASH)
                continue
            shown = f"{relation.mean:+.2f}"
            if relation.interval:
                low, high = relation.interval
                shown += f" [{low:+.2f}, {high:+.2f}]"
            cells.append(shown)
        lines.append([metric, *cells])
    return lines


def write_retrieval(
    folder: Path,
    videos: pd.DataFrame,
    relations: Mapping[tuple[str, str], Relation],
    pictures: Sequence[Picture],
    notes: Sequence[str],
) -> Path:
    """Write retrieval.csv, videos.csv, retrieval.md and index.html, which shows existing pictures.

    Returns:
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    summary = summarise(videos)
    write_csv(videos, folder / "videos.csv")
    write_csv(summary, folder / "retrieval.csv")
    shown = tables(summary)
    drift_title = (
        f"Drift: rank correlation with the change of a metric in the next {AHEAD_S:g} s "
        "(positive: less drift)"
    )
    if relations:
        shown[drift_title] = drift_table(relations)
    reasons = dict.fromkeys(r.reason for r in relations.values() if r.reason)
    notes = [*notes, *(f"No correlation: {reason}." for reason in reasons)]
    parts = [LEGEND, *notes]
    for title, (header, *lines) in shown.items():
        rows = [f"| {' | '.join(header)} |", f"| {' | '.join('---' for _ in header)} |"]
        rows += [f"| {' | '.join(line)} |" for line in lines]
        parts.append("\n".join([f"**{title}**", "", *rows]))
    (folder / "retrieval.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=select_autoescape(["j2"], default=True)
    )
    page = environment.get_template("retrieval.html.j2").render(
        tables=shown, measures=MEASURES, legend=LEGEND, pictures=pictures, notes=notes
    )
    target = folder / "index.html"
    target.write_text(page, encoding="utf-8")
    return target

"""The report of run stores."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.api.store import Store, find_folder


def report(
    store: Store | str | Path,
    *more: Store | str | Path,
    out: str | Path | None = None,
    assets: str = "link",
    baseline: str | None = None,
    quoted: Iterable[str | Path] = (),
    progress: bool = False,
) -> Path:
    """Render tables, plots and the leaderboard of one or several run stores.

    Args:
        store: the run store, its folder, or its name in runs/.
        more: other run stores, to be merged with it by unit id.
        out: folder of the page; by default `report` in the first store. A report there is replaced.
        assets: link (videos stay where they are), copy (into `out`) or none.
        baseline: method that others are compared with; by default sliding_window.
        quoted: YAML files of published numbers, shown apart; "field_2026" comes with Longtake.
        progress: print a bar.

    Returns:
        Path of the page, index.html; `tables` and `plots` lie beside it.

    Raises:
        UnknownName: no such run store, baseline or kind of assets.
        StoreError: a folder is not a run store, or its suites were scored in several versions.
        ConfigError: a file of published numbers that does not fit.
    """
    from harness.cli.report_view import build_with_bar
    from harness.core.errors import unknown_name
    from reports.site.assets import Assets
    from reports.site.build import ReportOptions, build_report

    kinds = [kind.value for kind in Assets]
    if assets not in kinds:
        raise unknown_name("kind of assets", assets, kinds)
    options = ReportOptions(Assets(assets), baseline=baseline, quoted=tuple(map(Path, quoted)))
    folders = [s.folder if isinstance(s, Store) else find_folder(s) for s in (store, *more)]
    target = Path(out) if out is not None else None
    if not progress:
        return build_report(folders, target, options).index
    from harness.cli.terminal import Terminal

    return build_with_bar(folders, target, options, Terminal()).index

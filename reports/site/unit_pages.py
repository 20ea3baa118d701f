"""The pages of single videos: made where something changed, some at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.store.columns import LinesByUnit, index_of, places
from harness.store.frames import Sweep, as_dicts
from reports.site.assets import Addresses
from reports.site.data_files import write_data
from reports.site.inputs import digest
from reports.site.progress import Advance
from reports.site.published import Hide
from reports.site.state import State
from reports.site.unit_digests import UnitDigests, batched_bytes, outdated_stems
from reports.site.video_data import frozen_seconds, video_data

_AT_ONCE = 2000
_LABELS = ("backbone", "method", "prompt_id", "prompt", "seed", "source")


@dataclass(frozen=True)
class UnitPages:
    """The part of the pages that is kept for the next report.

    Attributes:
        stamps: of what each was made from.
        warnings: by unit those about its files.
    """

    stamps: UnitDigests
    warnings: dict[str, tuple[str, ...]]


def write_unit_pages(
    sweep: Sweep,
    addresses: Addresses,
    out: Path,
    setting: Sequence[str],
    stamps: UnitDigests,
    earlier: State | None,
    hide: Hide,
    advance: Advance,
) -> UnitPages:
    """Write the data of each video's page where it changed.

    Args:
        sweep: the loaded run stores.
        addresses: of the files of its units.
        out: folder of the report.
        setting: what all pages depend on.
        stamps: of the files of units.
        earlier: the last report; None makes all pages.
        hide: applied to the texts of the records.
        advance: called after some pages.
    """
    folder = out / "data" / "units"
    common = digest(*setting, str(out), *map(str, sweep.sources))
    frozen_s = frozen_seconds(sweep)
    units_of = index_of(sweep.units["unit_id"])
    lines_of = LinesByUnit(places(sweep.scores["unit_id"], units_of))
    unit_ids: list[str] = []
    made_from = bytearray()
    warnings: dict[str, tuple[str, ...]] = {}
    done = np.flatnonzero(sweep.units["status"] == "done")
    done = done[~sweep.units["unit_id"].iloc[done].duplicated()]
    # Row by row, as curves are kept.
    by_row = sweep.units[["backbone", "method"]].iloc[done].astype("str").reset_index(drop=True)
    done = done[by_row.sort_values(["backbone", "method"], kind="stable").index]
    advance("pages", 0, len(done))
    for first in range(0, len(done), _AT_ONCE):
        units = sweep.units.iloc[done[first : first + _AT_ONCE]]
        files, lines = addresses.of(units), as_dicts(units)
        place = places(units["unit_id"], units_of)
        names = [line["unit_id"] for line in lines]
        fresh_stamps = [
            digest(
                common,
                stamp,
                *(str(line[name]) for name in _LABELS),
                str(own),
                str(num_scores),  # fewer where a file can't be read
            )
            for line, own, stamp, num_scores in zip(
                lines, files, stamps.hexes(names), lines_of.counts(place), strict=True
            )
        ]
        unit_ids += names
        made_from += bytes.fromhex("".join(fresh_stamps))
        before = earlier.pages.hexes(names) if earlier else [""] * len(names)
        # Pages with warnings are made each time: what could not be read may be readable by now.
        unsure = earlier.page_warnings if earlier else {}
        changed = np.array(
            [
                now != then or name in unsure or not (folder / f"{name}.js").is_file()
                for name, now, then in zip(names, fresh_stamps, before, strict=True)
            ]
        )
        chosen = [own for own, is_changed in zip(files, changed, strict=True) if is_changed and own]
        scores = sweep.scores.iloc[lines_of.of(place[changed])]
        for video, texts in video_data(sweep, units[changed], scores, chosen, frozen_s, hide):
            write_data(folder / f"{video.unit_id}.js", f"unit/{video.unit_id}", video)
            if texts:
                warnings[video.unit_id] = tuple(texts)
        advance("pages", first + len(units), len(done))
    digests = batched_bytes(made_from)
    pages = UnitDigests.of(zip(unit_ids, digests, strict=True))
    remove_others(folder, pages.names)
    return UnitPages(pages, warnings)


def remove_others(folder: Path, kept: np.ndarray) -> None:
    """Remove the data files of an earlier report that this one does not have.

    Args:
        folder: of the files.
        kept: names of the others, without ".js", sorted.
    """
    for stem in outdated_stems(folder, ".js", kept):
        (folder / f"{stem}.js").unlink(missing_ok=True)

"""The outcomes of all units of a store by columns: a million of them take 0.4 GB."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.store.columns import Coded, LongTexts, joined_texts
from harness.store.files import Reader
from harness.store.index import record_index
from harness.store.outcomes import FACTS, LONG_TEXTS, NUMBERS, TEXTS, outcome_of
from harness.store.score_parts import or_nan
from harness.store.summaries import RecordSummary


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of units of one store, in their order, by columns.

    Attributes:
        texts: `TEXTS` and `FACTS` of which few are distinct.
        long_texts: those that differ in every unit.
        numbers: `NUMBERS`; NaN where unknown.
        timings: unit (place among the units), stage and seconds, in the order of the units.
    """

    texts: dict[str, Coded]
    long_texts: dict[str, Any]
    numbers: dict[str, np.ndarray]
    timings: pd.DataFrame

    @property
    def status(self) -> pd.Categorical:
        """State of each unit: done, running, failed or missing."""
        return self.texts["status"].texts()

    @property
    def video_sha256(self) -> Any:
        """Hash of the video of each finished unit; NaN for others."""
        return self.long_texts["video_sha256"]

    @classmethod
    def joined(cls, parts: Sequence[tuple[Outcomes, np.ndarray, np.ndarray]]) -> Outcomes:
        """Return units of several stores, each taken from one of them.

        Args:
            parts: per store its outcomes, which of its units are taken, ascending, and the places
                that they get; each place is given once.
        """
        order = np.argsort(np.concatenate([places for _, _, places in parts]), kind="stable")

        def coded(name: str) -> Coded:
            of_stores = Coded.joined((one.texts[name], lines) for one, lines, _ in parts)
            return Coded.joined([(of_stores, order)])

        timings = []
        for one, lines, places in parts:
            place_of = np.full(len(one.status), -1)
            place_of[lines] = places
            moved = one.timings.assign(unit=place_of[one.timings["unit"]])
            timings.append(moved[moved["unit"] >= 0])
        stages = joined_texts([frame["stage"].array for frame in timings])
        frame = pd.concat(timings, ignore_index=True).assign(stage=stages)
        return cls(
            texts={name: coded(name) for name in parts[0][0].texts},
            long_texts={
                name: pd.concat(
                    [pd.Series(one.long_texts[name][lines]) for one, lines, _ in parts]
                ).array.take(order)
                for name in LONG_TEXTS
            },
            numbers={
                name: np.concatenate([one.numbers[name][lines] for one, lines, _ in parts])[order]
                for name in NUMBERS
            },
            timings=frame.sort_values("unit", kind="stable", ignore_index=True),
        )

    def columns(self) -> dict[str, Any]:
        """Return `TEXTS`, `NUMBERS` and `FACTS`, in this order."""
        texts = {name: self.texts[name].texts() for name in TEXTS if name in self.texts}
        facts = {name: self.texts[name].column() for name in FACTS}
        found = texts | self.long_texts | self.numbers | facts
        return {name: found[name] for name in (*TEXTS, *NUMBERS, *FACTS)}


class _Builder:
    """Collects the outcomes of units, in any order."""

    def __init__(self) -> None:
        self._places = array("i")
        self._texts = {n: Coded() for n in (*TEXTS, *FACTS) if n not in LONG_TEXTS}
        self._long_texts = {name: LongTexts() for name in LONG_TEXTS}
        self._numbers = {name: array("d") for name in NUMBERS}
        self._timed, self._stages, self._seconds = array("i"), Coded(), array("d")

    def add(self, place: int, fields: Mapping[str, Any], timings_s: Mapping[str, float]) -> None:
        self._places.append(place)
        for name, texts in self._texts.items():
            texts.add(fields.get(name))
        for name, long_texts in self._long_texts.items():
            long_texts.add(fields.get(name))
        for name, numbers in self._numbers.items():
            numbers.append(or_nan(fields.get(name)))
        for stage, seconds in timings_s.items():
            self._timed.append(place)
            self._stages.add(stage)
            self._seconds.append(seconds)

    def outcomes(self) -> Outcomes:
        """Return them in the order of their places, of which none is missing."""
        order = np.argsort(np.asarray(self._places))
        timed = np.asarray(self._timed)
        by_unit = np.argsort(timed, kind="stable")
        timings = {
            "unit": timed[by_unit],
            "stage": self._stages.texts()[by_unit],
            "seconds": np.asarray(self._seconds)[by_unit],
        }
        return Outcomes(
            texts={n: Coded.joined([(texts, order)]) for n, texts in self._texts.items()},
            long_texts={n: texts.column().take(order) for n, texts in self._long_texts.items()},
            numbers={name: np.asarray(one)[order] for name, one in self._numbers.items()},
            timings=pd.DataFrame(timings, copy=False),
        )


def read_units(reader: Reader, unit_ids: Sequence[str]) -> Outcomes:
    """Return the outcomes of units of the store that `reader` reads, in their order."""
    found = _Builder()
    places = {unit_id: place for place, unit_id in enumerate(unit_ids)}
    for unit_id, record in record_index(reader.paths).read(unit_ids, RecordSummary):
        found.add(places.pop(unit_id), *outcome_of(reader, unit_id, record))
    for unit_id, place in places.items():
        found.add(place, *outcome_of(reader, unit_id, None))
    return found.outcomes()

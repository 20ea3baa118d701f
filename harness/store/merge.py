"""Merging of run stores: units merge by id, and differences are listed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from harness.store.columns import joined_texts
from harness.store.files import Reader
from harness.store.outcome_columns import Outcomes

_RANK = {"done": 0, "running": 1, "failed": 2, "missing": 3}
_ROW = ["backbone", "method"]


@dataclass(frozen=True)
class Store:
    """One run store as read.

    Attributes:
        name: its name in the report.
        reader: of its files.
        labels: its lines; the categories of unit_id are its units, in the order of `outcomes`.
        outcomes: of its units.
    """

    name: str
    reader: Reader
    labels: pd.DataFrame
    outcomes: Outcomes

    @property
    def units(self) -> pd.Index:
        """Its units."""
        return self.labels["unit_id"].cat.categories

    @property
    def done(self) -> np.ndarray:
        """Flags of the units that have a video."""
        return np.asarray(self.outcomes.status == "done")

    def videos_of(self, units: pd.Index) -> ExtensionArray:
        """Return the hash of the video of each of the units of all stores; NaN without one here."""
        own: ExtensionArray = self.outcomes.video_sha256
        if self.units.is_(units):
            return own
        return own.take(self.units.get_indexer(units), allow_fill=True)


@dataclass(frozen=True)
class Conflict:
    """A unit whose video differs between stores; the first is shown.

    The same unit has the same bytes only on the same kind of machine. A difference between devices
    is therefore harmless, and `versions` names them; any other difference is a problem.

    Attributes:
        versions: per differing video: store, sha256, device.
    """

    unit_id: str
    versions: tuple[tuple[str, str, str], ...]


def merge_outcomes(
    stores: Sequence[Store], units: pd.Index
) -> tuple[Outcomes, np.ndarray, list[Conflict]]:
    """Choose the most complete outcome of each unit.

    Args:
        stores: the run stores.
        units: the units of all of them.

    Returns:
        The outcomes in the order of `units`, the index of the store that each is from, and the
        units whose videos differ.
    """
    if len(stores) == 1:
        return stores[0].outcomes, np.zeros(len(units), np.int16), []
    places = [units.get_indexer(store.units) for store in stores]
    ranks_SU = np.full((len(stores), len(units)), len(_RANK), np.int8)
    for rank_U, store, place in zip(ranks_SU, stores, places, strict=True):
        status = store.outcomes.status
        rank_U[place] = np.array([_RANK[name] for name in status.categories])[status.codes]
    # The first of equals: stores take precedence in the order they were given.
    source = ranks_SU.argmin(axis=0)
    parts = []
    for index, (store, place) in enumerate(zip(stores, places, strict=True)):
        lines = np.flatnonzero(source[place] == index)
        parts.append((store.outcomes, lines, place[lines]))
    return Outcomes.joined(parts), source, list(_conflicts(stores, places, ranks_SU, units))


def _conflicts(
    stores: Sequence[Store], places: Sequence[np.ndarray], ranks_SU: np.ndarray, units: pd.Index
) -> Iterator[Conflict]:
    """Yield the units whose videos differ, in order."""
    several = (ranks_SU == _RANK["done"]).sum(axis=0) > 1
    videos: dict[int, dict[str, tuple[str, str, str]]] = {}
    for store, place in zip(stores, places, strict=True):
        chosen = np.flatnonzero(several[place] & store.done)
        devices = store.outcomes.texts["device"].texts()[chosen]
        hashes = store.outcomes.video_sha256[chosen]
        for unit, sha256, device in zip(place[chosen].tolist(), hashes, devices, strict=True):
            known = device if isinstance(device, str) else "unknown device"
            videos.setdefault(unit, {}).setdefault(sha256, (store.name, sha256, known))
    for unit in sorted(videos):
        if len(videos[unit]) > 1:
            yield Conflict(units[unit], tuple(videos[unit].values()))


def merge_labels(stores: Sequence[Store]) -> tuple[pd.DataFrame, list[str]]:
    """Return the lines of all stores, and notes on ambiguous labels.

    A label may mean different arguments in two stores, and a prompt id different texts. These must
    not be averaged, so the later ones get a suffix: the name of their store, or a hash of the text.
    """
    rows: dict[tuple[str, str], str] = {}
    texts: dict[str, str] = {}
    notes: list[str] = []
    renamed = []
    for store in stores:
        labels = store.labels
        found: list[tuple[int, str]] = []  # a note, and the first line that it is about
        changed: dict[str, Any] = {}
        met = labels[[*_ROW, "row_id"]].drop_duplicates()
        for line, backbone, method, row_id in met.itertuples():
            if rows.setdefault((backbone, method), row_id) == row_id:
                continue
            name = f"{method} @{store.name}"
            same = labels["backbone"].eq(backbone) & labels["method"].eq(method)
            methods = changed.get("method", labels["method"].astype(object))
            changed["method"] = methods.mask(same & labels["row_id"].eq(row_id), name)
            text = f"{method} on {backbone} has other arguments in {store.name}; its row there is "
            found.append((2 * line, f"{text}called {name}."))
        met = labels[["prompt_id", "prompt"]].drop_duplicates()
        for line, prompt_id, prompt in met.itertuples():
            if texts.setdefault(prompt_id, prompt) == prompt:
                continue
            name = f"{prompt_id}#{hashlib.sha256(prompt.encode()).hexdigest()[:6]}"
            same = labels["prompt_id"].eq(prompt_id) & labels["prompt"].eq(prompt)
            prompts = changed.get("prompt_id", labels["prompt_id"].astype(object))
            changed["prompt_id"] = prompts.mask(same, name)
            text = f"Prompt {prompt_id} has several texts; a hash tells them apart."
            found.append((2 * line + 1, text))
        notes += [text for _, text in sorted(found)]
        columns = {name: pd.Categorical(one.astype("str")) for name, one in changed.items()}
        renamed.append(labels.assign(**columns))
    labels = pd.DataFrame(
        {
            name: joined_texts([frame[name].array for frame in renamed])
            if name != "seed"
            else pd.concat([frame[name] for frame in renamed], ignore_index=True)
            for name in stores[0].labels.columns
        },
        copy=False,
    )
    labels = labels.drop_duplicates(["unit_id", *_ROW], ignore_index=True)
    return labels.drop(columns="row_id"), list(dict.fromkeys(notes))


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names of stores, numbered where two are equal."""
    return [
        name if names.count(name) == 1 else f"{name} ({names[: index + 1].count(name)})"
        for index, name in enumerate(names)
    ]

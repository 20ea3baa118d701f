"""Merging of run stores: units merge by id, and differences are listed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.store.files import Reader
from harness.store.outcomes import Outcome


@dataclass(frozen=True)
class Store:
    """One run store as read."""

    name: str
    reader: Reader
    labels: pd.DataFrame
    outcomes: Mapping[str, Outcome]

    @property
    def video_sha256(self) -> dict[str, str]:
        """Hash of the video of each finished unit."""
        return {
            unit_id: outcome.fields["video_sha256"]
            for unit_id, outcome in self.outcomes.items()
            if outcome.done
        }


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
    stores: Sequence[Store],
) -> tuple[dict[str, tuple[int, Outcome]], list[Conflict]]:
    """Choose for each unit the most complete outcome, and return it with the index of its store."""
    rank = {"done": 0, "running": 1, "failed": 2, "missing": 3}
    chosen: dict[str, tuple[int, Outcome]] = {}
    conflicts = []
    for unit_id in dict.fromkeys(unit_id for store in stores for unit_id in store.outcomes):
        found = [
            (index, store.outcomes[unit_id])
            for index, store in enumerate(stores)
            if unit_id in store.outcomes
        ]
        # min() keeps the first of equals: stores take precedence in the order they were given.
        chosen[unit_id] = min(found, key=lambda item: rank[item[1].fields["status"]])
        videos = {
            outcome.fields["video_sha256"]: (
                stores[index].name,
                outcome.fields["video_sha256"],
                outcome.fields["device"] or "unknown device",
            )
            for index, outcome in reversed(found)
            if outcome.done
        }
        if len(videos) > 1:
            conflicts.append(Conflict(unit_id, tuple(reversed(videos.values()))))
    return chosen, conflicts


def merge_labels(stores: Sequence[Store]) -> tuple[pd.DataFrame, list[str]]:
    """Return the lines of all stores, and notes on ambiguous labels.

    A label may mean different arguments in two stores, and a prompt id different texts. These must
    not be averaged, so the later ones get a suffix: the name of their store, or a hash of the text.
    """
    notes: list[str] = []
    rows: dict[tuple[str, str], str] = {}
    texts: dict[str, str] = {}
    lines = []
    for store in stores:
        for line in store.labels.to_dict("records"):
            row = (line["backbone"], line["method"])
            if (
                line["row_id"] is not None
                and rows.setdefault(row, line["row_id"]) != line["row_id"]
            ):
                line["method"] += f" @{store.name}"
                notes.append(
                    f"{row[1]} on {row[0]} has other arguments in {store.name}; its row there is "
                    f"called {line['method']}."
                )
            prompt_id, prompt = line["prompt_id"], line["prompt"]
            if texts.setdefault(prompt_id, prompt) != prompt:
                line["prompt_id"] += f"#{hashlib.sha256(prompt.encode()).hexdigest()[:6]}"
                notes.append(f"Prompt {prompt_id} has several texts; a hash tells them apart.")
            lines.append(line)
    labels = pd.DataFrame(lines, columns=list(stores[0].labels.columns))
    labels = labels.drop_duplicates(["unit_id", "backbone", "method"], ignore_index=True)
    return labels.drop(columns="row_id"), list(dict.fromkeys(notes))


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names of stores, numbered where two are equal."""
    return [
        name if names.count(name) == 1 else f"{name} ({names[: index + 1].count(name)})"
        for index, name in enumerate(names)
    ]

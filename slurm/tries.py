"""How often items were begun in vain: what never gets any further is given up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.store.run_store import RunStore
from slurm.attempt import Attempt, Ending, read_attempts
from slurm.submission import SubmissionFolder


@dataclass(frozen=True)
class Tried:
    """What became of the attempts at one item.

    Attributes:
        failed: attempts in which it failed with a reason.
        stuck: attempts that ended at it, killed or stopped, since the last one that got further.
        saved: the most that was saved of it so far: chunks of a video, clips of scores.
        loading: attempts that died while loading, since the last one that got past it.
    """

    failed: int = 0
    stuck: int = 0
    saved: int = 0
    loading: int = 0

    @property
    def num_vain(self) -> int:
        """Attempts that led to nothing."""
        return self.failed + self.stuck + self.loading

    def ended_at(self, begun_with: int, left_with: int) -> Tried:
        """After one more attempt that ended at it.

        Args:
            begun_with: what was saved when it was begun.
            left_with: what is known to have been saved when the attempt ended.
        """
        before = self.got_to(begun_with)
        after = before.got_to(left_with)
        return after if after is not before else replace(before, stuck=before.stuck + 1)

    def got_to(self, saved: int) -> Tried:
        """Now that so much is saved: what got further was not in vain."""
        return replace(self, stuck=0, saved=saved) if saved > self.saved else self

    def __str__(self) -> str:
        kinds = {
            "failed": self.failed,
            "died while loading": self.loading,
            "ended without getting any further": self.stuck,
        }
        return ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)


_UNTRIED = Tried()


def count_tries(
    attempts: Iterable[Attempt],
    items: Sequence[str],
    before: Mapping[str, Tried],
    saved_now: Callable[[str], int],
) -> dict[str, Tried]:
    """What became of the attempts at each item of a shard.

    Args:
        attempts: those of the shard, in order.
        items: all items of the shard; an attempt that dies while loading counts for each.
        before: counts of earlier submissions.
        saved_now: what is saved of an item by now.
    """
    tries = {item: before.get(item, _UNTRIED) for item in items}
    for attempt in attempts:
        finished = attempt.ending is Ending.finished
        if attempt.item or finished:
            tries = {item: replace(tried, loading=0) for item, tried in tries.items()}
        elif attempt.ending is Ending.none:
            tries = {item: replace(t, loading=t.loading + 1) for item, t in tries.items()}
        for item in attempt.failed:
            tries[item] = replace(tries[item], failed=tries[item].failed + 1)
        if attempt.item and not finished and attempt.item not in attempt.failed:
            tries[attempt.item] = tries[attempt.item].ended_at(attempt.saved, attempt.kept)
    return {item: t.got_to(saved_now(item)) if t.stuck else t for item, t in tries.items()}


def count_all_tries(store: Path, folders: Iterable[SubmissionFolder]) -> dict[str, Tried]:
    """The attempts at every item, over all submissions, the oldest first."""
    tries: dict[str, Tried] = {}
    for folder in folders:
        if folder.submission.again:
            tries = {}
        items = {shard.number: shard.items for shard in folder.shards()}
        for path in sorted((folder.path / "attempts").glob("[0-9]*")):
            attempts, mine = read_attempts(path), items[int(path.name)]
            tries |= count_tries(attempts, mine, tries, lambda item: saved_chunks(store, item))
    return {item: tried for item, tried in tries.items() if tried != _UNTRIED}


def saved_chunks(store: Path, item: str) -> int:
    """Chunks of a unit in the making; scores have none."""
    return len(list((RunStore(store).unit_dir(item) / "partial").glob("[0-9]*.safetensors")))


def write_tried(shard_path: Path, tries: Mapping[str, Tried]) -> None:
    """Note beside a shard file what became of its items in earlier submissions."""
    noted = {item: asdict(tried) for item, tried in tries.items()}
    _tried_path(shard_path).write_text(json.dumps(noted))


def read_tried(shard_path: Path) -> dict[str, Tried]:
    """What `write_tried` noted; empty if nothing was."""
    path = _tried_path(shard_path)
    noted = json.loads(path.read_text()) if path.is_file() else {}
    return {item: Tried(**fields) for item, fields in noted.items()}


def _tried_path(shard_path: Path) -> Path:
    return shard_path.with_suffix(".tried")

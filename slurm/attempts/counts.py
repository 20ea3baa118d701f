"""Counts of unsuccessful attempts per item, so that items that make no progress are abandoned.

An attempt counts against an item on which it failed, died or ran out of time, unless it saved more
of the item than all attempts before it. Being preempted, or on a node that was lost, is not the
item's fault and never counts; killing the process in the same block is, after a few attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

from harness.core.typed_files import read_typed, write_typed
from harness.store.run_store import RunStore
from slurm.attempts.attempt import Attempt, Ending, read_attempts
from slurm.submission import SubmissionFolder


@dataclass(frozen=True)
class AttemptCounts:
    """Unsuccessful attempts at one item.

    Attributes:
        failed: attempts in which it failed with a recorded reason.
        stuck: attempts that ended while working on it, killed or stopped, since the last one that
            made progress.
        saved: most that was ever saved of it: chunks of a video, clips of scores.
        loading: attempts that died while loading, since the last one that finished loading.
        in_step: attempts that died while it was made in step with others. Which of them is to blame
            is not known, so they count for none; from then on it is made alone.
    """

    failed: int = 0
    stuck: int = 0
    saved: int = 0
    loading: int = 0
    in_step: int = 0

    @property
    def unsuccessful(self) -> int:
        """Number to compare with `max_attempts`."""
        return self.failed + self.stuck + self.loading

    def ended_at(self, begun_with: int, left_with: int) -> AttemptCounts:
        """Count an attempt that ended while working on the item.

        Args:
            begun_with: what was saved of the item when the attempt began it.
            left_with: what is known to have been saved when the attempt ended.
        """
        # What was there at the beginning is progress of an earlier attempt, not of this one.
        before = self.progressed_to(begun_with)
        after = before.progressed_to(left_with)
        return after if after is not before else replace(before, stuck=before.stuck + 1)

    def progressed_to(self, saved: int) -> AttemptCounts:
        """Forget attempts that ended at the item if more of it is saved than ever before."""
        return replace(self, stuck=0, saved=saved) if saved > self.saved else self

    def __str__(self) -> str:
        kinds = {
            "failed": self.failed,
            "died while loading": self.loading,
            "ended without progress": self.stuck,
        }
        return ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)


_NONE = AttemptCounts()


def count_attempts(
    attempts: Iterable[Attempt],
    items: Sequence[str],
    before: Mapping[str, AttemptCounts],
    saved_now: Callable[[str], int],
) -> dict[str, AttemptCounts]:
    """Count the unsuccessful attempts at each item of a shard.

    Args:
        attempts: attempts at the shard, in order.
        items: all items of the shard.
        before: counts of earlier submissions.
        saved_now: returns what is saved of an item by now.
    """
    counts = {item: before.get(item, _NONE) for item in items}
    listed = list(attempts)
    for attempt, after in zip_longest(listed, listed[1:]):
        finished = attempt.ending is Ending.finished
        preempted = attempt.ending is Ending.preempted or _requeued(attempt, after)
        if attempt.item or finished:
            # It got past loading, so earlier deaths there were not the fault of these items.
            counts = {item: replace(count, loading=0) for item, count in counts.items()}
        elif attempt.ending is Ending.none and not preempted:
            # It died while loading. Which item is to blame is not known, so it counts for all of
            # them. One that was stopped while loading had no chance and counts for none.
            counts = {item: replace(c, loading=c.loading + 1) for item, c in counts.items()}
        for item in attempt.failed:
            counts[item] = replace(counts[item], failed=counts[item].failed + 1)
        if attempt.item and not finished:
            # It was killed or stopped at these items.
            died_in_step = bool(attempt.beside) and attempt.ending is Ending.none
            for item, saved, at_end in _in_work(attempt):
                if preempted or died_in_step:
                    counts[item] = counts[item].progressed_to(saved).progressed_to(at_end)
                else:
                    counts[item] = counts[item].ended_at(saved, at_end)
                if died_in_step and not preempted:
                    counts[item] = replace(counts[item], in_step=counts[item].in_step + 1)
    # Chunks of a video that the last attempt saved show only on disk: attempts do not count them.
    return {
        item: count.progressed_to(saved_now(item)) if count.stuck else count
        for item, count in counts.items()
    }


def _in_work(attempt: Attempt) -> Iterator[tuple[str, int, int]]:
    """Yield the items an attempt worked on: what was saved when it began them, and at its end."""
    begun = [(attempt.item, attempt.saved, attempt.saved_at_end)]
    begun += [(other.item, other.saved, other.saved) for other in attempt.beside]
    return (one for one in begun if one[0] not in attempt.failed)


def _requeued(attempt: Attempt, after: Attempt | None) -> bool:
    """Return whether SLURM itself ended an attempt: it started the same task once more.

    It does so after a preemption and after the loss of a node. A task whose process died stays
    failed until `resume` submits another one.
    """
    return (
        after is not None
        and attempt.ending is Ending.none
        and after.job_id == attempt.job_id
        and after.restarts > attempt.restarts
    )


def count_all_attempts(
    store: Path, folders: Iterable[SubmissionFolder]
) -> dict[str, AttemptCounts]:
    """Count the unsuccessful attempts at every item that has any, over all submissions.

    Args:
        store: the sweep's folder.
        folders: its submissions, the oldest first.
    """
    counts: dict[str, AttemptCounts] = {}
    for folder in folders:
        if folder.submission.again:  # the user asked for a new start
            counts = {}
        items = {shard.number: shard.items for shard in folder.shards()}
        for path in sorted((folder.path / "attempts").glob("[0-9]*")):
            attempts, mine = read_attempts(path), items[int(path.name)]
            counts |= count_attempts(attempts, mine, counts, lambda item: saved_chunks(store, item))
    return {item: count for item, count in counts.items() if count != _NONE}


def saved_chunks(store: Path, item: str) -> int:
    """Return the number of saved chunks of an unfinished unit; evaluations have none."""
    return len(RunStore(store).chunk_paths(item))


def write_counts(shard_path: Path, counts: Mapping[str, AttemptCounts]) -> None:
    """Save, beside a shard file, the counts of earlier submissions for its items."""
    write_typed(_counts_path(shard_path), _Earlier(dict(counts)))


def read_counts(shard_path: Path) -> dict[str, AttemptCounts]:
    """Read what `write_counts` saved; empty if nothing was.

    Raises:
        StoreError: the file is damaged.
    """
    try:
        return read_typed(_counts_path(shard_path), _Earlier).counts
    except FileNotFoundError:
        return {}


@dataclass(frozen=True)
class _Earlier:
    """The content of a file of counts, by item; a file without this field reads as empty."""

    counts: dict[str, AttemptCounts] = field(default_factory=dict)


def _counts_path(shard_path: Path) -> Path:
    return shard_path.with_suffix(".tried")

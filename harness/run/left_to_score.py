"""Scores that a finished unit lacks: the question of planning and of the workers alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from eval.scoring.segments import scored_segments
from eval.scoring.suite import Suite
from harness.store.record import Record
from harness.store.run_store import RunStore
from harness.store.shards import Evaluation


def left_to_score(
    store: RunStore,
    record: Record,
    suite: tuple[str, Suite],
    prompts: tuple[str, ...],
    frames: Mapping[str, int],
    now_available: Callable[[str], bool],
    now_used: Callable[[str], Mapping[str, set[str]]],
) -> Evaluation | None:
    """Return what to score of a unit with one suite; None if its scores are up to date.

    Args:
        store: the sweep.
        record: of the unit.
        suite: the suite, after the name that the command gave it.
        prompts: evaluation prompts of the unit, one for each of its segments.
        frames: video frames of the durations that are asked for, by their seconds as text.
        now_available: `can_set_up`.
        now_used: `network_keys`.
    """
    # A file of scores is replaced as a whole. It is out of date if it describes another video (made
    # again, or longer) or another evaluation prompt, lacks a duration, holds a null for a metric
    # that failed or whose package has been installed since, or used other weights.
    name, found = suite
    scored = store.scored(found.name, found.version, record.unit_id)
    before = scored.durations_frames if scored else {}
    # Durations scored earlier are scored again as well: a command that asks for fewer durations
    # must not take any out of the file.
    wanted = dict(sorted((before | dict(frames)).items(), key=lambda item: item[1]))
    segments = scored_segments(record.segment_starts(), prompts, max(wanted.values(), default=0))
    up_to_date = (
        scored is not None
        and scored.video_sha256 == record.video.sha256
        and scored.prompt == prompts[0]
        and scored.segments == segments
        and frames.items() <= before.items()
        and not scored.failed
        and not any(now_available(metric) for metric in scored.not_set_up)
        and _same_networks(scored.networks, now_used(name))
    )
    if up_to_date or not wanted:
        return None
    return Evaluation.of(record.unit_id, name, prompts, wanted)


def _same_networks(used: Mapping[str, str], now: Mapping[str, set[str]]) -> bool:
    """Return whether the networks behind some scores are the current ones.

    A network without current keys counts as the same: its weights are not on this machine, so
    nothing could be scored again here, or they come with a package and never change.
    """
    return all(name in now and (not now[name] or key in now[name]) for name, key in used.items())

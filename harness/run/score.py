"""Scoring of one finished unit with one suite."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.core.events import Emit, Event, EventKind, Interrupted, StopRequested
from harness.store.run_store import RunStore
from harness.store.shards import Evaluation

if TYPE_CHECKING:
    from eval.scoring.scorer import Scorer


def score_unit(
    task: Evaluation,
    store: RunStore,
    scorer: Scorer,
    emit: Emit,
    stop_requested: StopRequested,
    check_claim: Callable[[], None],
) -> None:
    """Score a unit and write the scores.

    Args:
        task: the unit, the suite, and for which durations.
        store: store of the unit.
        scorer: the suite, loaded.
        emit: called with its progress.
        stop_requested: asked at every clip.
        check_claim: called before anything is written; raises TakenOver if another process does it.

    Raises:
        Interrupted: `stop_requested` returned True.
        TakenOver: by `check_claim`.
        VideoDamaged: the video is not what its record describes; the record is removed.
        MetricFailed: some metrics failed; the scores of the others are written.
    """
    from eval.errors import MetricFailed
    from eval.scoring.scorer import Workspace
    from eval.scoring.segments import scored_segments
    from eval.video.decode import VideoDamaged

    record = store.record(task.unit_id)
    assert record is not None, "only finished units are evaluated"

    def progress(num_clips: int, _: int) -> None:
        emit(Event(EventKind.progress, task.item, amount=num_clips))
        if stop_requested():
            raise Interrupted

    video = store.unit_dir(task.unit_id) / record.video.file
    segments = scored_segments(
        record.segment_starts(), task.prompts, max(task.durations_frames.values())
    )
    latents = store.latents_path(task.unit_id)
    workspace = Workspace(store.workspace / "clips", store.workspace / "features")
    try:
        scores = scorer.score(
            video,
            task.prompt,
            task.durations_frames,
            task.unit_id,
            progress,
            workspace,
            segments,
            record.block_frames(),
            latents if latents.is_file() else None,
        )
        check_claim()
        if scores.video_sha256 != record.video.sha256:
            raise VideoDamaged(f"{video.name} is not the video that its record describes.")
    except VideoDamaged:
        store.discard_record(record)  # so that the next round makes the video again
        raise
    store.write_scores(scores)
    if scores.failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in scores.failed.items())
        place = store.scores_path(scores.suite, scores.unit_id)
        raise MetricFailed(f"{reasons} (the other scores are in {place})")
    store.clear_failure(task.item)

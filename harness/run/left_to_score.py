"""Scores that a finished unit lacks: the question of planning and of the workers alike."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property

from eval.scoring.segments import scored_segments
from eval.scoring.suite import can_set_up, find_suite, network_keys
from harness.store.shards import Evaluation
from harness.store.summaries import MadeVideo, ScoresSummary


class CurrentSuite:
    """A suite as it is on this machine now; tells which scores are out of date.

    Args:
        name: suite or single metric.
    """

    def __init__(self, name: str) -> None:
        self.suite = find_suite(name)
        self._name = name
        # It looks at installed packages: once per metric, not once per unit.
        self._can_set_up = cache(can_set_up)

    def left_to_score(
        self,
        unit_id: str,
        video: MadeVideo,
        scored: ScoresSummary | None,
        prompts: tuple[str, ...],
        frames: Mapping[str, int],
    ) -> Evaluation | None:
        """Return what to score of a unit; None if its scores are up to date.

        Args:
            unit_id: the unit.
            video: its video.
            scored: its scores; None if there are none that can be read.
            prompts: evaluation prompts of the unit, one for each of its segments.
            frames: video frames of the durations that are asked for, by their seconds as text.
        """
        # A file of scores is replaced as a whole. It is out of date if it describes another video
        # (made again, or longer) or another evaluation prompt, lacks a duration, holds a null for a
        # metric that failed or whose package has been installed since, or used other weights.
        if scored and scored.suite_version != self.suite.version:
            scored = None
        before = scored.durations_frames if scored else {}
        # Durations scored earlier are scored again as well: a command that asks for fewer durations
        # must not take any out of the file.
        wanted = dict(sorted((before | dict(frames)).items(), key=lambda item: item[1]))
        segments = scored_segments(video.segment_starts, prompts, max(wanted.values(), default=0))
        up_to_date = (
            scored is not None
            and scored.video_sha256 == video.video.sha256
            and scored.prompt == prompts[0]
            and scored.segments == segments
            and frames.items() <= before.items()
            and not scored.failed
            and not any(self._can_set_up(metric) for metric in scored.not_set_up)
            and self._same_networks(scored.networks)
        )
        if up_to_date or not wanted:
            return None
        return Evaluation.of(unit_id, self._name, prompts, wanted)

    @cached_property
    def _networks(self) -> dict[str, set[str]]:
        return network_keys(self._name)

    def _same_networks(self, used: Mapping[str, str]) -> bool:
        """Return whether the networks behind some scores are the current ones.

        A network without current keys counts as the same: its weights are not on this machine, so
        nothing could be scored again here, or they come with a package and never change.
        """
        now = self._networks
        return all(
            name in now and (not now[name] or key in now[name]) for name, key in used.items()
        )

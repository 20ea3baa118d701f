"""Every score per clip equals that of the official code on the same clips and weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from eval.metric import Clip, Combined, Network, Outputs
from eval.scoring.suite import METRICS
from eval.vbench_long import layout
from eval.vbench_long.consistency import unit_vectors
from eval.vbench_long.networks.amt import AMT, WHOLE_AMT
from eval.vbench_long.networks.dino import DINO
from eval.vbench_long.networks.dinov2 import DINOV2
from eval.vbench_long.networks.raft import RAFT_NETWORK, WHOLE_RAFT, Raft
from tests.eval.conftest import Scene, measure_clip, run_networks
from tests.eval.vbench_long.parity.conftest import DATA
from tests.eval.vbench_long.test_whole_motion import clips as with_frames_before

RunOnce = Callable[[Network, Clip], np.ndarray]

EXPECTED = json.loads((DATA / "expected.json").read_text())


def recorded(dimension: str) -> list[dict[str, Any]]:
    """The official details of the two clips, in order of time."""
    details = EXPECTED["dims"][dimension]["detail"][0]
    return sorted(details, key=lambda detail: detail["video_path"])


@pytest.mark.parametrize(
    ("dimension", "files", "tolerance"),
    [
        ("temporal_flickering", (), 1e-6),
        ("motion_smoothness", (layout.AMT_S,), 1e-5),
        ("aesthetic_quality", (layout.CLIP_L14, layout.AESTHETIC_HEAD), 1e-6),
        ("imaging_quality", (layout.MUSIQ_SPAQ,), 1e-5),
        ("overall_consistency", (layout.VICLIP,), 1e-6),
    ],
)
def test_clip_scores(
    dimension: str,
    files: tuple[Any, ...],
    tolerance: float,
    weights: Callable[..., None],
    clips: list[Clip],
) -> None:
    weights(*files)
    metric = METRICS.load(dimension)()
    metric.setup()
    # A second clip of 32 frames takes ViT-L a minute and shows nothing else.
    num_clips = 1 if dimension == "aesthetic_quality" else 2
    for clip, expected in zip(clips[:num_clips], recorded(dimension)[:num_clips], strict=True):
        measure = measure_clip(metric, clip)
        official = measure.score if measure.official is None else measure.official
        scale = 100 if dimension == "imaging_quality" else 1
        assert official == pytest.approx(expected["video_results"] / scale, abs=tolerance, rel=0)


def test_subject_consistency_within_and_between_clips(
    weights: Callable[..., None], clips: list[Clip], openings: Clip
) -> None:
    weights(layout.DINO_B16, layout.DINOV2_B14)
    metric = METRICS.load("subject_consistency")()
    metric.setup()
    measures = [measure_clip(metric, clip) for clip in clips]
    for measure, expected in zip(measures, recorded("subject_consistency"), strict=True):
        assert measure.score == pytest.approx(expected["inclip_score"], abs=1e-6)
    combined = metric.combine(measures, run_networks(metric.opening_networks, openings))
    assert isinstance(combined, Combined)
    expected = recorded("subject_consistency")[0]
    assert combined.parts["clip_to_clip"] == pytest.approx(expected["clip2clip_score"], abs=1e-6)
    assert combined.parts["mapped"] == pytest.approx(expected["mapped_clip2clip_score"], abs=1e-6)
    official = EXPECTED["dims"]["subject_consistency"]["score"]
    assert combined.value == pytest.approx(official, abs=1e-6)


def test_background_consistency_within_clips(
    weights: Callable[..., None], clips: list[Clip]
) -> None:
    """Between clips DreamSim is needed, whose recorded weights cannot be generated here."""
    weights(layout.CLIP_B32)
    metric = METRICS.load("background_consistency")()
    for clip, expected in zip(clips, recorded("background_consistency"), strict=True):
        assert measure_clip(metric, clip).score == pytest.approx(expected["inclip_score"], abs=1e-6)


@pytest.mark.xdist_group("raft")
def test_dynamic_degree(weights: Callable[..., None], clips: list[Clip], run_once: RunOnce) -> None:
    weights(layout.RAFT_THINGS)
    metric = METRICS.load("dynamic_degree")()
    metric.setup()
    for clip, expected in zip(clips, recorded("dynamic_degree"), strict=True):
        outputs = Outputs({RAFT_NETWORK.name: run_once(RAFT_NETWORK, clip)})
        assert metric.measure(clip, outputs).score == float(expected["video_results"])


@pytest.mark.xdist_group("raft")
def test_flow_of_every_pair(
    weights: Callable[..., None], clips: list[Clip], run_once: RunOnce
) -> None:
    weights(layout.RAFT_THINGS)
    expected = EXPECTED["raft_pair_radii"]["dynamic_degree"]["blue squares-0_000.mp4"]
    radii = Raft(every_pair=True).load("cpu")(clips[0])
    np.testing.assert_allclose(radii, expected, rtol=1e-5)
    early = run_once(RAFT_NETWORK, clips[0])
    np.testing.assert_allclose(early, expected[: len(early)], rtol=1e-5)
    assert len(early) < len(expected)


def test_positions_of_other_sizes_are_interpolated_as_dino_does(
    weights: Callable[..., None],
) -> None:
    """Frames that are not square keep their aspect: 14 x 24 patches."""
    weights(layout.DINO_B16)
    wide = Clip(np.random.default_rng(0).integers(0, 256, (2, 60, 104, 3), np.uint8), 0, 16, "")
    features = unit_vectors(DINO.load("cpu")(wide))
    assert features.shape == (2, 768)
    assert float(features[0] @ features[1]) < 0.99999


def test_frames_do_not_depend_on_their_batch(weights: Callable[..., None]) -> None:
    weights(layout.DINOV2_B14)
    frames = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    run = DINOV2.load("cpu")
    together = run(Clip(frames, 0, 16, ""))
    alone = run(Clip(frames[4:], 0, 16, ""))
    np.testing.assert_allclose(together[4:], alone, atol=2e-5)


def test_whole_videos_equal_the_networks_on_all_frames_at_once(
    weights: Callable[..., None],
) -> None:
    """A video of three clips, the last of which repeats frames, against one clip of all frames."""
    weights(layout.AMT_S, layout.RAFT_THINGS)
    frames = Scene(seed=3, height=128, width=128).frames(15)[::3]
    for whole, once in ((WHOLE_AMT, AMT), (WHOLE_RAFT, Raft(every_pair=True))):
        run, found, end = whole.load("cpu"), [], 0
        for clip in with_frames_before(frames, fps=1):
            found.append(run(clip)[max(0, end - clip.start_frame) :])
            end = clip.start_frame + len(clip.frames_FHWC)
        values = np.concatenate(found)
        expected = once.load("cpu")(Clip(frames, 0, 1, ""))
        np.testing.assert_allclose(values[np.isfinite(values)], expected, rtol=1e-6)

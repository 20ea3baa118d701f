"""Metrics of switches on hand-made videos of two segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from backbones.world.looks import SKIES
from backbones.world.street.render import sky_rgb
from eval.clip import Clip, ScoredSegment
from eval.metric import Metric, MetricUnavailable, Outputs
from eval.metrics.switches import SwitchIdentity, SwitchLatency, SwitchText
from eval.networks.image_features import EFFICIENTNET_LITE0, FRAME_STEP
from eval.recall.street_sky import SKY_ROWS, SkySwitch, SkySwitchLatency

FPS, BLOCK, CLIP = 16, 12, 32
START, END = 45, 141
"""The second segment: eight blocks of twelve frames."""
FOX, BOAT = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])


def segments(old: str, new: str) -> tuple[ScoredSegment, ...]:
    return ScoredSegment(0, old), ScoredSegment(START, new)


def spans(end: int = END) -> list[tuple[int, int]]:
    """Clips as the scorer cuts them: the last one overlaps the one before."""
    whole = [(start, start + CLIP) for start in range(0, end - CLIP, CLIP)]
    return [*whole, (end - CLIP, end)]


def clip(start: int, frames_FHWC: np.ndarray, texts: Sequence[str], **more: object) -> Clip:
    found = segments(*texts)
    new = 2 * start + len(frames_FHWC) >= 2 * START
    arguments = {"segments": found, "block_frames": BLOCK} | more
    return Clip(frames_FHWC, start, FPS, texts[new], **arguments)  # type: ignore[arg-type]


def by_clip(
    metric: Metric, shares: np.ndarray, ends: Sequence[int] = (END,), **more: object
) -> list:
    """Measures of a video whose frame f is the share f of a boat and the rest of a fox."""
    measures = []
    for start, end in sorted({span for until in ends for span in spans(until)}):
        frames = np.zeros((end - start, 8, 8, 3), np.uint8)
        one = clip(start, frames, ("a fox", "a boat"), **more)
        share_F = shares[start:end:FRAME_STEP, None]
        seen_FD = (1 - share_F) * FOX + share_F * BOAT
        seen_FD /= np.linalg.norm(seen_FD, axis=1, keepdims=True)
        text_D = BOAT if one.prompt == "a boat" else FOX
        networks = getattr(metric, "networks", ())
        arrays = dict(zip((n.name for n in networks), (seen_FD, text_D), strict=False))
        measures.append(metric.measure(one, Outputs(arrays)))
    return measures


def arrives_after(num_blocks: int) -> np.ndarray:
    """Shares of the new prompt: none, then all from a block of the new segment on."""
    return (np.arange(END) >= START + num_blocks * BLOCK).astype(float)


@pytest.fixture
def text_metrics(monkeypatch: pytest.MonkeyPatch) -> tuple[SwitchText, SwitchLatency]:
    monkeypatch.delenv("LONGTAKE_OPEN_CLIP", raising=False)
    return SwitchText(), SwitchLatency()


@pytest.mark.parametrize("num_blocks", [0, 1, 3])
def test_text_and_latency_of_a_video_that_follows(text_metrics, num_blocks: int) -> None:
    text, latency = text_metrics
    shares = arrives_after(num_blocks)
    followed = text.combine(by_clip(text, shares))
    assert followed.value == pytest.approx(2), "from cosine 1 with the old to 1 with the new"
    assert latency.combine(by_clip(latency, shares)).parts == {"switch 1": num_blocks}


def test_half_of_the_way_decides(text_metrics) -> None:
    _, latency = text_metrics
    slow = np.clip((np.arange(END) - START) / (END - START), 0, 1)
    assert latency.combine(by_clip(latency, slow)).value == 3


def test_a_video_that_ignores_the_prompt_gains_nothing_and_never_arrives(text_metrics) -> None:
    text, latency = text_metrics
    stays = np.zeros(END)
    assert text.combine(by_clip(text, stays)).value == 0
    assert latency.combine(by_clip(latency, stays)).value == 8
    noisy = 0.1 * np.random.default_rng(0).random(END)
    assert latency.combine(by_clip(latency, noisy)).value == 8


def test_the_curve_has_the_switch_on_the_clips_of_its_segment(text_metrics) -> None:
    _, latency = text_metrics
    assert latency.curve(by_clip(latency, arrives_after(2))) == [None, 2.0, 2.0, 2.0, 2.0]


def test_the_curve_of_several_durations_has_the_switch_of_the_longest(text_metrics) -> None:
    """The last clip of a shorter duration looks at other frames than those that follow it."""
    noisy = arrives_after(2) * np.random.default_rng(0).random(END)
    for metric in (*text_metrics, SwitchIdentity()):
        number = metric.combine(by_clip(metric, noisy)).value
        curve = metric.curve(by_clip(metric, noisy, ends=(122, 135, END)))
        assert len(curve) == 7 and set(curve) == {None, number}


def test_a_duration_shorter_than_a_clip_takes_no_frames_from_the_switch(text_metrics) -> None:
    """Its one clip begins with the first clip of the longest duration and ends before it."""
    metric, _ = text_metrics
    shares = arrives_after(2) * np.random.default_rng(0).random(END)
    measures = by_clip(metric, shares)
    short = replace(measures[0], seen_FD=measures[0].seen_FD[:2], end_frame=4)
    assert metric.combine([short, *measures]).value == metric.combine(measures).value


def test_identity_is_the_likeness_of_both_ends() -> None:
    metric = SwitchIdentity()
    assert metric.networks == (EFFICIENTNET_LITE0,)
    assert metric.combine(by_clip(metric, np.zeros(END))).value == pytest.approx(1)
    assert metric.combine(by_clip(metric, arrives_after(1))).value == pytest.approx(0)
    back = arrives_after(1) - (np.arange(END) >= START + 3 * BLOCK)
    assert metric.combine(by_clip(metric, back)).value == pytest.approx(1)


def test_what_cannot_be_judged_says_why(text_metrics) -> None:
    text, latency = text_metrics
    with pytest.raises(MetricUnavailable, match="the prompt does not change"):
        by_clip(text, np.zeros(END), segments=())
    with pytest.raises(MetricUnavailable, match="the length of a block is not known"):
        latency.combine(by_clip(latency, np.zeros(END), block_frames=None))
    early = by_clip(text, np.zeros(END))[:2]
    with pytest.raises(MetricUnavailable, match="no switch has 2 s on both sides"):
        text.combine(early)
    assert text.curve(early) == [None, None]


DUSK = "dusk grassy four walking"
NOON = "noon grassy four walking"


def sky_video(shares: np.ndarray) -> np.ndarray:
    """Frames whose sky goes from that of DUSK to that of NOON."""
    skies = torch.eye(len(SKIES))[[SKIES.index("dusk"), SKIES.index("noon")]]
    mixed = torch.lerp(*skies[:, None], torch.tensor(shares).float()[:, None])
    colors = sky_rgb(mixed, torch.arange(SKY_ROWS).float().expand(len(shares), -1))
    frames = np.full((len(shares), 64, 64, 3), 128, np.uint8)
    frames[:, :SKY_ROWS] = np.round(255 * colors.transpose(1, 2).numpy())[:, :, None]
    return frames


def sky_measures(metric: Metric, frames: np.ndarray, texts: Sequence[str] = (DUSK, NOON)) -> list:
    return [metric.measure(clip(start, frames[start:end], texts)) for start, end in spans()]


@pytest.mark.parametrize("num_blocks", [0, 2])
def test_the_sky_tells_exactly_when_it_changed(num_blocks: int) -> None:
    frames = sky_video(arrives_after(num_blocks))
    followed, latency = SkySwitch(), SkySwitchLatency()
    assert followed.combine(sky_measures(followed, frames)).value == pytest.approx(1, abs=0.02)
    assert latency.combine(sky_measures(latency, frames)).value == num_blocks


def test_a_sky_that_stays_or_need_not_change() -> None:
    frames = sky_video(np.zeros(END))
    followed, latency = SkySwitch(), SkySwitchLatency()
    assert followed.combine(sky_measures(followed, frames)).value == pytest.approx(-1, abs=0.02)
    assert latency.combine(sky_measures(latency, frames)).value == 8
    same = (DUSK, DUSK.replace("walking", "strolling"))
    with pytest.raises(MetricUnavailable, match="no switch"):
        followed.combine(sky_measures(followed, frames, same))
    with pytest.raises(MetricUnavailable, match="needs a prompt of the street"):
        sky_measures(followed, frames, ("a fox", "a boat"))
    with pytest.raises(MetricUnavailable, match="needs 64x64 frames"):
        sky_measures(followed, frames[:, :32])

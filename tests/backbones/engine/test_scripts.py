"""Videos whose prompt changes: switch policies, prefixes, replay, and what a strategy sees."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from backbones.engine.backbone import Backbone
from backbones.engine.block import Block
from backbones.engine.noise import NoiseSource, SeededNoise
from backbones.engine.rollout import Rollout
from backbones.engine.runtime import KVLimits, Runtime
from backbones.engine.script import Script, Segment, Switch
from harness.core.errors import ConfigError
from methods.base import BlockView, ContextPlan, MemoryStrategy, PromptSegment
from methods.rag import Rag
from methods.sliding_window import SlidingWindow
from tests.small import small_backbone

SKY = "dusk grassy four walking"
BOX = "noon grassy four returning"
STAR = "night grassy four gazing"
# Four latent frames a second, in blocks of three: the segments begin at frames 0, 9 and 24.
SEGMENTS = (Segment(2.25, SKY), Segment(3.5, BOX), Segment(4, STAR))
POLICIES = pytest.mark.parametrize("switch", list(Switch))


@pytest.fixture(scope="module")
def quick() -> Backbone:
    """The embedded backbone with a small transformer and one denoising step."""
    return small_backbone(1000)


def start(
    backbone: Backbone,
    prompt: Script | str,
    num_latents: int,
    strategy: MemoryStrategy | None = None,
    noise: NoiseSource | None = None,
    runtime: Runtime | None = None,
) -> Rollout:
    noise = noise or SeededNoise(0, SKY)
    return Rollout(backbone, strategy or Rag(), prompt, noise, num_latents, 0, runtime)


def latents_of(blocks: list[Block]) -> Tensor:
    return torch.cat([block.latents for block in blocks])


def roll_out(backbone: Backbone, prompt: Script | str, num_latents: int, **given) -> Tensor:
    return latents_of(list(start(backbone, prompt, num_latents, **given).blocks()))


@pytest.mark.slow
@POLICIES
def test_a_script_is_the_video_of_its_first_prompt_until_the_prompt_changes(
    quick: Backbone, switch: Switch
) -> None:
    script = roll_out(quick, Script(SEGMENTS, switch), 12)
    plain = roll_out(quick, SKY, 12)
    assert torch.equal(script[:9], plain[:9])
    assert not torch.equal(script[9:], plain[9:])


@pytest.mark.slow
@POLICIES
def test_shorter_scripted_videos_are_exact_prefixes(quick: Backbone, switch: Switch) -> None:
    """Even where the shorter one ends at a switch, or before the last segment begins."""
    script = Script(SEGMENTS, switch)
    long = roll_out(quick, script, 36)
    for num_latents in (15, 24):
        assert torch.equal(roll_out(quick, script, num_latents), long[:num_latents])


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [SlidingWindow, Rag])
@POLICIES
def test_replayed_latents_lead_to_the_same_continuation(
    quick: Backbone, switch: Switch, strategy: type
) -> None:
    """Within a segment, at a switch, and with whole segments behind."""
    script = Script(SEGMENTS, switch)
    whole = list(start(quick, script, 36, strategy()).blocks())
    latents = latents_of(whole)
    for num_made in (3, 9, 12, 24, 30):
        resumed = list(start(quick, script, 36, strategy()).blocks(latents[:num_made]))
        assert torch.equal(latents_of(resumed), latents)
        assert [block.plan for block in resumed] == [block.plan for block in whole]
        assert [block.segment for block in resumed] == [0] * 3 + [1] * 5 + [2] * 4


@pytest.mark.slow
def test_frames_found_by_the_prompt_to_come_are_found_again(quick: Backbone) -> None:
    def started(num_latents: int = 33) -> Rollout:
        by_prompt = Rag(descriptor="prompt_keys", recent_exclude_latents=0, memory_latents=3)
        return start(quick, Script(SEGMENTS, Switch.recache), num_latents, by_prompt)

    whole = list(started().blocks())
    latents = latents_of(whole)
    resumed = list(started().blocks(latents[:24]))
    assert torch.equal(latents_of(resumed), latents)
    assert [block.plan for block in resumed] == [block.plan for block in whole]
    assert torch.equal(latents_of(list(started(27).blocks())), latents[:27])
    assert len(whole[8].plan.memory_frames()) == 3


@pytest.mark.slow
def test_policies_differ_after_a_switch(quick: Backbone) -> None:
    keep, recache, flush = (roll_out(quick, Script(SEGMENTS, s), 12)[9:] for s in Switch)
    assert not torch.equal(keep, recache)
    assert not torch.equal(keep, flush)
    assert not torch.equal(recache, flush)


@pytest.mark.slow
def test_keep_leaves_keys_and_values_of_the_past_under_their_own_prompt(quick: Backbone) -> None:
    """Replaying the past under the second prompt gives other keys, hence another continuation."""
    kept = roll_out(quick, Script(SEGMENTS), 12)
    replayed = list(start(quick, BOX, 12).blocks(kept[:9]))
    assert not torch.equal(latents_of(replayed)[9:], kept[9:])


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [SlidingWindow, Rag])
def test_recache_is_a_replay_of_the_window_under_the_new_prompt(
    quick: Backbone, strategy: type
) -> None:
    """At frame 9 the window is the whole past, so all of it is replayed."""
    made = roll_out(quick, Script(SEGMENTS, Switch.recache), 18, strategy=strategy())
    replayed = list(start(quick, BOX, 18, strategy()).blocks(made[:9]))
    assert torch.equal(latents_of(replayed), made)


@pytest.mark.slow
def test_recache_reaches_no_further_than_the_window(quick: Backbone) -> None:
    """At frame 24 the window is frames 15 to 23; all others keep their keys and values."""
    script = Script(SEGMENTS, Switch.recache)
    before, after = (_kept_values(quick, script, num_latents) for num_latents in (24, 27))
    changed = [frame for frame in range(24) if not torch.equal(before[frame], after[frame])]
    assert changed == list(range(15, 24))


def _kept_values(backbone: Backbone, script: Script, num_latents: int) -> dict[int, Tensor]:
    rollout = start(backbone, script, num_latents)
    for block in rollout.blocks():
        if block.first_frame + 3 == num_latents:
            tiers = rollout.store._tiers
            return {frame: tiers.slab(frame).clone() for frame in range(num_latents)}
    raise AssertionError


@pytest.mark.slow
def test_where_keys_and_values_lie_does_not_change_a_recached_video(quick: Backbone) -> None:
    slab_gib = quick.spec.shape.kv_bytes(1, torch.float32) / 2**30
    script = Script(SEGMENTS, Switch.recache)
    small = start(quick, script, 36, runtime=Runtime(kv=KVLimits(host_gib=14 * slab_gib)))
    spilled = latents_of(list(small.blocks()))
    assert small.store.allocated_mib()["spilled"] > 0
    assert torch.equal(spilled, roll_out(quick, script, 36))


class LaterNoise(SeededNoise):
    """The noise of a video from its fourth block on."""

    def draw(self, block: int, step: int, shape: tuple[int, int, int, int]) -> Tensor:
        return super().draw(block + 3, step, shape)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [SlidingWindow, Rag])
def test_flush_starts_over_as_a_new_video(quick: Backbone, strategy: type) -> None:
    script = Script(SEGMENTS[:2], Switch.flush)
    flushed = roll_out(quick, script, 33, strategy=strategy())
    fresh = roll_out(quick, BOX, 24, strategy=strategy(), noise=LaterNoise(0, SKY))
    assert torch.equal(flushed[9:], fresh)


@pytest.mark.slow
def test_flush_restarts_positions_and_needs_less_memory(quick: Backbone) -> None:
    rollout = start(quick, Script(SEGMENTS, Switch.flush), 36, SlidingWindow(rope="absolute"))
    blocks = list(rollout.blocks())
    for block in blocks:
        origin = (0, 9, 24)[block.segment or 0]
        assert all(frame >= origin for frame in block.plan.frames)
        assert block.plan.positions == tuple(frame - origin for frame in block.plan.frames)
        assert block.plan.query_positions[0] == block.first_frame - origin
    rag, whole = start(quick, Script(SEGMENTS, Switch.flush), 36), start(quick, SKY, 36)
    assert len(list(rag.blocks())) == len(list(whole.blocks())) == 12
    assert rag.store.allocated_mib()["device"] < whole.store.allocated_mib()["device"]


@dataclass
class Reader(SlidingWindow):
    """A sliding window that notes the segments it is told of."""

    needs_model = False
    seen: list[tuple[int, PromptSegment, PromptSegment | None]] = field(default_factory=list)

    def attach(self, view: BlockView) -> None:
        self.view = view

    def plan(self, first_frame: int) -> ContextPlan:
        self.seen.append((first_frame, self.view.segment(), self.view.next_segment()))
        return super().plan(first_frame)


@pytest.mark.slow
def test_a_strategy_sees_this_prompt_and_the_next(quick: Backbone) -> None:
    reader = Reader()
    list(start(quick, Script(SEGMENTS), 27, reader).blocks())
    assert [first_frame for first_frame, *_ in reader.seen] == list(range(0, 27, 3))
    _, now, coming = reader.seen[3]
    assert coming is not None
    assert (now.first_frame, now.seconds, now.prompt) == (9, 3.5, BOX)
    assert (coming.first_frame, coming.seconds, coming.prompt) == (24, 4, STAR)
    assert torch.equal(coming.text, quick.encode_text(STAR))
    assert reader.seen[2][1].prompt == SKY
    assert reader.seen[-1][1].prompt == STAR
    assert reader.seen[-1][2] is None


@pytest.mark.slow
def test_a_strategy_counts_frames_from_the_latest_flush(quick: Backbone) -> None:
    reader = Reader()
    list(start(quick, Script(SEGMENTS, Switch.flush), 27, reader).blocks())
    starts = [(frame, now.first_frame) for frame, now, _ in reader.seen]
    assert starts == [(0, 0), (3, 0), (6, 0), (0, 0), (3, 0), (6, 0), (9, 0), (12, 0), (0, 0)]
    coming = [after.first_frame for _, _, after in reader.seen if after is not None]
    assert coming == [9] * 3 + [15] * 5


@pytest.mark.slow
def test_a_single_prompt_is_one_segment_without_end(quick: Backbone) -> None:
    reader = Reader()
    list(start(quick, SKY, 6, reader).blocks())
    assert all(after is None for *_, after in reader.seen)
    assert {(now.prompt, now.seconds) for _, now, _ in reader.seen} == {(SKY, math.inf)}


@pytest.mark.parametrize(
    ("seconds", "starts"),
    [
        ((10, 10, 10), (0, 42, 81)),  # 13.3 blocks: the switch comes with the 15th block
        ((0.75, 0.75, 1), (0, 3, 6)),
        ((1.4, 0.1, 9), (0, 6, 6)),
        ((0.1,) * 8, None),
        ((3.3, 4.2, 1), (0, 15, 30)),  # 7.5 s are ten blocks, whatever the sum of 3.3 and 4.2 is
    ],
)
def test_a_segment_begins_with_a_block(
    seconds: tuple[float, ...], starts: tuple[int, ...] | None
) -> None:
    script = Script(tuple(Segment(s, SKY) for s in seconds))
    if starts is None or len(set(starts)) < len(starts):
        with pytest.raises(ConfigError, match=r"Segment \d .*no block begins within it"):
            script.starts(4, 3)
    else:
        assert script.starts(4, 3) == starts


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_a_length_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds must be a number above 0"):
        Segment(seconds, SKY)

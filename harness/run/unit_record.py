"""The record of a unit that was just made: its video, timings, memory and backbone."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from harness.core.devices import peak_device_mib
from harness.core.environment import describe_machine
from harness.core.machine import peak_host_mib
from harness.store.record import (
    Facts,
    Generation,
    Origin,
    Prompt,
    Record,
    RecordedScript,
    RecordedSegment,
    VideoFile,
    now,
)
from methods import METHODS

if TYPE_CHECKING:
    from pathlib import Path

    from backbones.engine.backbone import Backbone
    from backbones.engine.block import Block
    from backbones.engine.rollout import Rollout
    from backbones.engine.script import Script
    from backbones.engine.spec import BackboneSpec
    from harness.run.video_pipeline import VideoPipeline
    from harness.store.units import Unit

# Parts of a block, by their names in backbones/engine/timings.py, and their names in the record.
_PARTS = {
    "gather_s": "gather",
    "denoise_s": "denoise",
    "clean_pass_s": "clean_pass",
    "append_s": "append",
    "encode_s": "retrieval_encode",
    "search_s": "retrieval_search",
    "fetch_s": "retrieval_fetch",
    "wait_s": "retrieval_wait",
}
# Those of them that consist of passes.
_PASSES = {"denoise", "clean_pass"}


def unit_record(
    unit: Unit,
    backbone: Backbone,
    rollout: Rollout,
    num_latents: int,
    video: Path,
    timings_s: dict[str, float],
    batch: float,
) -> Record:
    """Describe a finished unit.

    Args:
        unit: the unit.
        backbone: the models it was made with.
        rollout: its finished rollout.
        num_latents: latent frames of its video.
        video: the video file.
        timings_s: seconds by part of the work, from `unit_timings_s`.
        batch: videos that were made in step, this one included, in the mean over its blocks.
    """
    spec, device = backbone.spec, backbone.device
    generation = Generation(
        num_latents=num_latents,
        context_budget_latents=spec.budget_latents,
        facts=_facts(unit, backbone),
        timings_s=timings_s,
        memory_mib={
            "peak_host": peak_host_mib(),
            "peak_device": peak_device_mib(device),
            **{f"kv_{tier}": mib for tier, mib in rollout.store.allocated_mib().items()},
        },
        machine=describe_machine(device),
        kernels=rollout.describe_kernels(),
        batch=batch,
    )
    return record_of(unit, spec, num_latents, video, generation)


def record_of(
    unit: Unit, spec: BackboneSpec, num_latents: int, video: Path, made: Generation | Origin
) -> Record:
    """Describe a finished unit.

    Args:
        unit: the unit.
        spec: its backbone.
        num_latents: latent frames of its video.
        video: the video file.
        made: how it was made, by models of the engine or elsewhere.
    """
    geometry = spec.geometry
    return Record(
        unit_id=unit.id,
        identity=unit.identity,
        prompt=Prompt(unit.prompt_set, unit.prompt_id, unit.prompt, unit.evaluation_prompt),
        seed=unit.seed,
        num_frames=geometry.num_frames(num_latents),
        duration_s=num_latents / geometry.latents_per_s,
        fps=geometry.fps,
        width=geometry.width,
        height=geometry.height,
        video=VideoFile.of(video),
        finished=now(),
        generation=made if isinstance(made, Generation) else None,
        origin=made if isinstance(made, Origin) else None,
        script=recorded_script(unit.script, spec) if unit.script else None,
    )


def recorded_script(script: Script, spec: BackboneSpec) -> RecordedScript:
    """Describe the segments of a video whose prompt changes."""
    starts = spec.schedule(script).starts
    return RecordedScript(
        script.switch,
        tuple(
            RecordedSegment(start, segment.seconds, segment.prompt, segment.evaluation_text)
            for start, segment in zip(starts, script.segments, strict=True)
        ),
        spec.block_latents,
    )


def unit_timings_s(
    blocks: Sequence[Block], video: VideoPipeline, end_to_end_s: float, batch: float
) -> dict[str, float]:
    """Return the seconds by part of the work, with the first block and the median later one apart.

    Between the passes of a video that was made in step with others lies work for these, so of all
    parts only those without passes are known.

    Args:
        blocks: all blocks of the unit.
        video: the pipeline that wrote its video.
        end_to_end_s: seconds of the unit; of several in step, its part of the time of all.
        batch: see `unit_record`.
    """
    alone = batch == 1
    replayed = [b.timings().whole_s for b in blocks if b.replayed or b.given]
    made = [b.timings() for b in blocks if not (b.replayed or b.given)]
    total = {"end_to_end": end_to_end_s}
    if replayed:
        total["replay"] = sum(replayed) / batch
    if made:
        for part, name in _PARTS.items():
            if alone or name not in _PASSES:
                total[name] = sum(getattr(timings, part) for timings in made)
    if made and alone:
        if any(block.segment for block in blocks):
            total["prompt_switch"] = sum(timings.switch_s for timings in made)
        total["first_block"] = made[0].whole_s
        total["steady_block"] = median(
            [timings.whole_s for timings in made][1:] or [made[0].whole_s]
        )
    total["vae_decode"] = sum(video.decode_s())
    total["video_encode"] = video.encode_s
    return total


def _facts(unit: Unit, backbone: Backbone) -> Facts:
    spec = backbone.spec
    native = METHODS.identity(unit.strategy) == {"name": "native"}
    return Facts(
        backbone_plugin=unit.family,
        method_plugin=unit.strategy,
        trained_latents=spec.trained_latents,
        licence=spec.licence,
        weights=spec.weights.value,
        official_setting=spec.official and native,
        long_setting=spec.long_setting,
        prompt_cut_tokens=max(backbone.cut_tokens.get(text, 0) for text in unit.prompts),
    )

"""Making one unit: rollout, streaming decode, video, latents, record."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import torch

from backbones.noise import SeededNoise
from backbones.rollout import Block, Rollout
from harness.environment import describe_machine, peak_host_mib
from harness.errors import LongtakeError
from harness.files import replacing
from harness.store import SCHEMA, Record, RunStore, VideoFile, now
from harness.video_writer import VideoWriter

if TYPE_CHECKING:
    from backbones.spec import Backbone
    from harness.units import Unit


class Interrupted(Exception):
    """The user asked to stop; the unit's progress is saved."""


@dataclass
class _Stopwatch:
    """Seconds by part of the work, and per block."""

    started: float = field(default_factory=time.perf_counter)
    seconds: dict[str, float] = field(default_factory=dict)
    block_s: list[float] = field(default_factory=list)

    def add(self, part: str, seconds: float) -> None:
        self.seconds[part] = self.seconds.get(part, 0.0) + seconds

    def add_block(self, block: Block) -> None:
        timings = block.timings
        if block.replayed:
            self.add("replay", timings.total_s)
            return
        self.block_s.append(timings.total_s)
        self.add("plan", timings.plan_s)
        self.add("gather", timings.gather_s)
        self.add("denoise", timings.denoise_s)
        self.add("clean_pass", timings.clean_pass_s)

    def summary(self) -> dict[str, float]:
        """Totals; the first block and the median of the later ones apart."""
        total = {"end_to_end": time.perf_counter() - self.started, **self.seconds}
        if self.block_s:
            total["first_block"] = self.block_s[0]
            total["steady_block"] = median(self.block_s[1:] or self.block_s)
        return total


def generate_unit(
    unit: Unit,
    backbone: Backbone,
    store: RunStore,
    save_every_blocks: int,
    on_block: Callable[[int], None],
    stop_requested: Callable[[], bool],
) -> Record:
    """Make a unit, or finish one that was begun.

    Args:
        unit: what to make.
        backbone: loaded models.
        store: where the files go.
        save_every_blocks: blocks between two saves of progress.
        on_block: told the latent frames made so far, after every block.
        stop_requested: asked after every block.

    Raises:
        Interrupted: `stop_requested` said so; progress is saved.
        LongtakeError: a strategy's plan can't be carried out, or saved progress doesn't fit.
    """
    stopwatch = _Stopwatch()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    spec = backbone.spec
    rollout = Rollout(
        backbone,
        unit.build_strategy(),
        unit.prompt,
        SeededNoise(unit.seed, unit.prompt),
        unit.num_latents,
        unit.seed,
    )
    saved = store.saved_progress(unit.id)
    made, saved_trace = (saved[0][: unit.num_latents], saved[1]) if saved else (None, [])
    decoder = backbone.start_decoder()
    latents: list[torch.Tensor] = []
    trace: list[str] = []
    num_saved = 0 if made is None else len(made) // spec.block_latents
    folder = store.unit_dir(unit.id)
    with replacing(folder / "video.mp4") as path:
        geometry = spec.geometry
        with VideoWriter(path, geometry.fps, geometry.width, geometry.height) as writer:
            for block in rollout.blocks(made):
                stopwatch.add_block(block)
                latents.append(block.latents)
                trace.append(trace_line(block))
                if block.replayed and trace[-1] != saved_trace[block.index]:
                    raise LongtakeError(
                        f"Saved progress of unit {unit.id} was made with another context plan at "
                        f"block {block.index}; delete {folder / 'partial'} and "
                        f"{folder / 'latents.safetensors'} to start this unit over."
                    )
                lap = time.perf_counter()
                frames = decoder.decode(block.latents).cpu().numpy()
                stopwatch.add("vae_decode", time.perf_counter() - lap)
                lap = time.perf_counter()
                writer.write(frames)
                stopwatch.add("video_encode", time.perf_counter() - lap)
                stopping = stop_requested()
                if len(latents) - num_saved >= (1 if stopping else save_every_blocks):
                    store.save_chunk(
                        unit.id,
                        num_saved * spec.block_latents,
                        torch.cat(latents[num_saved:]),
                        "\n".join(trace[num_saved:]),
                    )
                    num_saved = len(latents)
                on_block(len(latents) * spec.block_latents)
                if stopping:
                    raise Interrupted
    store.save_latents(unit.id, torch.cat(latents), "".join(f"{line}\n" for line in trace))
    record = _record(unit, backbone, store, stopwatch)
    store.write_record(record)
    return record


def trace_line(block: Block) -> str:
    """One line of trace.jsonl."""
    plan = block.plan
    return json.dumps(
        {
            "block": block.index,
            "first_frame": block.first_frame,
            "frames": plan.frames,
            "positions": plan.positions,
            "query_positions": plan.query_positions,
            "roles": plan.roles,
            "scores": plan.scores,
        }
    )


def _record(unit: Unit, backbone: Backbone, store: RunStore, stopwatch: _Stopwatch) -> Record:
    spec, geometry = backbone.spec, backbone.spec.geometry
    cuda = torch.cuda.is_available()
    return Record(
        schema=SCHEMA,
        unit_id=unit.id,
        identity=unit.identity,
        prompt={
            "id": unit.prompt_id,
            "set": unit.prompt_set,
            "text": unit.prompt,
            "evaluation_text": unit.evaluation_prompt,
        },
        seed=unit.seed,
        num_latents=unit.num_latents,
        num_frames=geometry.num_frames(unit.num_latents),
        duration_s=unit.num_latents / geometry.latents_per_s,
        fps=geometry.fps,
        width=geometry.width,
        height=geometry.height,
        context_budget_latents=spec.budget_latents,
        video=VideoFile.of(store.unit_dir(unit.id) / "video.mp4"),
        timings_s=stopwatch.summary(),
        memory_mib={
            "peak_host": peak_host_mib(),
            "peak_device": torch.cuda.max_memory_allocated() / 2**20 if cuda else None,
        },
        environment=describe_machine(),
        finished=now(),
    )

"""Making one unit: rollout, streaming decode, video, latents, record."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from backbones.noise import SeededNoise
from backbones.rollout import Block, Rollout
from harness.environment import describe_machine, peak_host_mib, reset_peak_host
from harness.errors import LongtakeError
from harness.events import Interrupted
from harness.files import replacing
from harness.record import SCHEMA, Record, VideoFile, now
from harness.store import RunStore
from harness.video_writer import VideoWriter

if TYPE_CHECKING:
    from backbones.spec import Backbone
    from harness.units import Unit


@dataclass
class _Stopwatch:
    """Seconds by part of the work, and per block."""

    started: float = field(default_factory=time.perf_counter)
    seconds: dict[str, float] = field(default_factory=dict)
    block_s: list[float] = field(default_factory=list)

    def add(self, part: str, seconds: float) -> None:
        self.seconds[part] = self.seconds.get(part, 0.0) + seconds

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.add(part, time.perf_counter() - started)

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


class _Superseded(Exception):
    """Another worker finished a longer video of the same unit meanwhile."""


@dataclass
class _Making:
    """A unit in the making: what is there, and how much of it is saved."""

    unit: Unit
    store: RunStore
    block_latents: int
    saved_trace: list[str]
    num_saved_blocks: int
    latents: list[torch.Tensor] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)

    def add(self, block: Block) -> None:
        """Take in a block; a replayed one must have the plan that it was saved with."""
        line = trace_line(block)
        if block.replayed and _without_scores(line) != _without_scores(
            self.saved_trace[block.index]
        ):
            folder = self.store.unit_dir(self.unit.id)
            raise LongtakeError(
                f"Saved progress of unit {self.unit.id} was made with another context plan at "
                f"block {block.index}; delete {folder} to start this unit over."
            )
        self.latents.append(block.latents)
        self.trace.append(line)

    def save_chunk(self, at_least_blocks: int) -> None:
        """Save what isn't saved yet, if it is enough."""
        if len(self.latents) - self.num_saved_blocks < at_least_blocks:
            return
        self.store.save_chunk(
            self.unit.id,
            self.num_saved_blocks * self.block_latents,
            torch.cat(self.latents[self.num_saved_blocks :]),
            "\n".join(self.trace[self.num_saved_blocks :]),
        )
        self.num_saved_blocks = len(self.latents)

    def save_whole(self) -> None:
        """Save everything, unless another worker has finished a longer video.

        Raises:
            _Superseded: one has.
        """
        num_latents = len(self.latents) * self.block_latents
        record = self.store.record(self.unit.id)
        longer = record and record.num_latents > num_latents
        if record and longer and record.video.matches(self.store.unit_dir(self.unit.id)):
            raise _Superseded
        trace = "".join(f"{line}\n" for line in self.trace)
        self.store.save_latents(self.unit.id, torch.cat(self.latents), trace)


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
    _reset_peak_memory(backbone.device)
    store.remove_leftovers(unit.id)
    spec, geometry = backbone.spec, backbone.spec.geometry
    saved = store.saved_progress(unit.id)
    made, saved_trace = saved or (None, [])
    num_made = 0 if made is None else len(made)
    # What is there already stays, even if a shorter video would do now.
    num_latents = max(unit.num_latents, num_made)
    rollout = Rollout(
        backbone,
        unit.build_strategy(),
        unit.prompt,
        SeededNoise(unit.seed, unit.prompt),
        num_latents,
        unit.seed,
    )
    making = _Making(unit, store, spec.block_latents, saved_trace, num_made // spec.block_latents)
    decoder = backbone.start_decoder()
    folder = store.unit_dir(unit.id)
    try:
        with replacing(folder / "video.mp4") as path:
            with VideoWriter(path, geometry.fps, geometry.width, geometry.height) as writer:
                for block in rollout.blocks(made):
                    stopwatch.add_block(block)
                    making.add(block)
                    with stopwatch.timed("vae_decode"):
                        frames = decoder.decode(block.latents).cpu().numpy()
                    with stopwatch.timed("video_encode"):
                        writer.write(frames)
                    stopping = stop_requested()
                    making.save_chunk(1 if stopping else save_every_blocks)
                    on_block(len(making.latents) * spec.block_latents)
                    if stopping:
                        raise Interrupted
            making.save_whole()
    except _Superseded:
        record = store.record(unit.id)
        assert record is not None
        return record
    record = _record(unit, num_latents, backbone, store, stopwatch)
    store.write_record(record)
    return record


def _reset_peak_memory(device: torch.device) -> None:
    reset_peak_host()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _without_scores(line: str) -> dict[str, Any]:
    """A plan as far as it changes pixels: similarities may differ in the last bit elsewhere."""
    return {key: value for key, value in json.loads(line).items() if key != "scores"}


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


def _record(
    unit: Unit, num_latents: int, backbone: Backbone, store: RunStore, stopwatch: _Stopwatch
) -> Record:
    spec, geometry, device = backbone.spec, backbone.spec.geometry, backbone.device
    peak_device = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
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
        num_latents=num_latents,
        num_frames=geometry.num_frames(num_latents),
        duration_s=num_latents / geometry.latents_per_s,
        fps=geometry.fps,
        width=geometry.width,
        height=geometry.height,
        context_budget_latents=spec.budget_latents,
        video=VideoFile.of(store.unit_dir(unit.id) / "video.mp4"),
        timings_s=stopwatch.summary(),
        memory_mib={
            "peak_host": peak_host_mib(),
            "peak_device": None if peak_device is None else peak_device / 2**20,
        },
        environment=describe_machine(device),
        finished=now(),
    )

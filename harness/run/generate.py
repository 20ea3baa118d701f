"""Making one unit: rollout, streaming decode, video, latents, record."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import torch

from backbones.engine.transfer import Download
from harness.core.devices import peak_device_mib, reset_peaks
from harness.core.environment import describe_machine
from harness.core.errors import LongtakeError
from harness.core.events import Interrupted
from harness.core.files import replacing
from harness.core.machine import peak_host_mib
from harness.run.facts import facts_of
from harness.run.video_pipeline import VideoPipeline
from harness.run.video_writer import VideoWriter
from harness.store.record import Generation, Prompt, Record, VideoFile, now
from harness.store.run_store import RunStore
from methods.trace import TraceLine

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone
    from backbones.engine.rollout import Block, Rollout
    from backbones.engine.runtime import Runtime
    from harness.run.prepared import PreparedUnit
    from harness.store.units import Unit


# Parts of a block (backbones/engine/timings.py) as the record calls them.
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


def _timings_s(blocks: Sequence[Block], video: VideoPipeline, started: float) -> dict[str, float]:
    """Seconds by part of the work; the first block and the median of the later ones apart."""
    replayed = [block.timings().whole_s for block in blocks if block.replayed]
    made = [block.timings() for block in blocks if not block.replayed]
    total = {"end_to_end": time.perf_counter() - started}
    if replayed:
        total["replay"] = sum(replayed)
    if made:
        for part, name in _PARTS.items():
            total[name] = sum(getattr(timings, part) for timings in made)
        total["first_block"] = made[0].whole_s
        total["steady_block"] = median(
            [timings.whole_s for timings in made][1:] or [made[0].whole_s]
        )
    total["vae_decode"] = sum(video.decode_s())
    total["video_encode"] = video.encode_s
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
    latents: list[Download] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)

    def add(self, block: Block) -> None:
        """Take in a block; a replayed one must have the plan that it was saved with."""
        line = TraceLine.of(block.index, block.first_frame, block.plan)
        # Similarities may differ in the last bit on another machine; the plan must not.
        if block.replayed and line.without_scores() != _saved_line(self.saved_trace, block.index):
            folder = self.store.unit_dir(self.unit.id)
            raise LongtakeError(
                f"Saved progress of unit {self.unit.id} was made with another context plan at "
                f"block {block.index}; delete {folder} to start this unit over."
            )
        self.latents.append(Download(block.latents))
        self.trace.append(line.to_json())

    def save_chunk(self, at_least_blocks: int, num_blocks: int) -> None:
        """Save the first `num_blocks` as far as they aren't saved yet, if it is enough."""
        first = self.num_saved_blocks
        if num_blocks - first < at_least_blocks:
            return
        self.store.save_chunk(
            self.unit.id,
            first * self.block_latents,
            self._joined(first, num_blocks),
            "\n".join(self.trace[first:num_blocks]),
        )
        self.num_saved_blocks = num_blocks

    def save_whole(self) -> None:
        """Save everything, unless another worker has finished a longer video.

        Raises:
            _Superseded: one has.
        """
        num_latents = len(self.latents) * self.block_latents
        record = self.store.record(self.unit.id)
        generation = record.generation if record else None
        longer = generation is not None and generation.num_latents > num_latents
        if record and longer and record.video.matches(self.store.unit_dir(self.unit.id)):
            raise _Superseded
        trace = "".join(f"{line}\n" for line in self.trace)
        self.store.save_latents(self.unit.id, self._joined(0, len(self.latents)), trace)

    def _joined(self, first_block: int, end_block: int) -> torch.Tensor:
        return torch.cat([download.wait() for download in self.latents[first_block:end_block]])


def generate_unit(
    prepared: PreparedUnit,
    backbone: Backbone,
    store: RunStore,
    runtime: Runtime,
    save_every_blocks: int,
    on_block: Callable[[int, bool], None],
    stop_requested: Callable[[], bool],
) -> Record:
    """Make a unit, or finish one that was begun.

    Args:
        prepared: what to make.
        backbone: its backbone, loaded.
        store: where the files go.
        runtime: how to compute it.
        save_every_blocks: blocks between two saves of progress.
        on_block: called after every block with the latent frames made so far, and with whether the
            block was replayed from what was saved.
        stop_requested: called after every block.

    Raises:
        Interrupted: `stop_requested` said so; progress is saved.
        LongtakeError: a strategy's plan can't be carried out, or saved progress or memory doesn't
            fit.
    """
    unit = prepared.unit
    started = time.perf_counter()
    reset_peaks(backbone.device)
    store.remove_leftovers(unit.id)
    spec, geometry = backbone.spec, backbone.spec.geometry
    saved = store.saved_progress(unit.id)
    made, saved_trace = saved or (None, [])
    num_made = 0 if made is None else len(made)
    # What is there already stays, even if a shorter video would do now.
    num_latents = max(unit.num_latents, num_made)
    rollout = prepared.start(backbone, runtime, num_latents)
    making = _Making(unit, store, spec.block_latents, saved_trace, num_made // spec.block_latents)
    blocks: list[Block] = []
    folder = store.unit_dir(unit.id)
    try:
        with replacing(folder / "video.mp4") as path:
            with (
                VideoWriter(path, geometry.fps, geometry.width, geometry.height) as writer,
                VideoPipeline(backbone.start_decoder(), writer, backbone.device) as video,
            ):
                for block in rollout.blocks(made):
                    blocks.append(block)
                    making.add(block)
                    video.push(block.latents)
                    stopping = stop_requested()
                    if stopping:
                        making.save_chunk(1, len(making.latents))
                    else:  # not the newest block: on a GPU it is only queued, saving would wait
                        making.save_chunk(save_every_blocks, len(making.latents) - 1)
                    on_block(len(making.latents) * spec.block_latents, block.replayed)
                    if stopping:
                        raise Interrupted
            making.save_whole()
    except _Superseded:
        record = store.record(unit.id)
        assert record is not None
        return record
    timings_s = _timings_s(blocks, video, started)
    record = _record(unit, num_latents, backbone, store, timings_s, rollout)
    store.write_record(record)
    return record


def _saved_line(trace: Sequence[str], block: int) -> TraceLine:
    return TraceLine.from_json(trace[block], f"saved plan of block {block}").without_scores()


def _record(
    unit: Unit,
    num_latents: int,
    backbone: Backbone,
    store: RunStore,
    timings_s: dict[str, float],
    rollout: Rollout,
) -> Record:
    spec, geometry, device = backbone.spec, backbone.spec.geometry, backbone.device
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
        video=VideoFile.of(store.unit_dir(unit.id) / "video.mp4"),
        finished=now(),
        generation=Generation(
            num_latents=num_latents,
            context_budget_latents=spec.budget_latents,
            facts=facts_of(unit, backbone),
            timings_s=timings_s,
            memory_mib={
                "peak_host": peak_host_mib(),
                "peak_device": peak_device_mib(device),
                **{f"kv_{tier}": mib for tier, mib in rollout.store.allocated_mib().items()},
            },
            machine=describe_machine(device),
            kernels=rollout.describe_kernels(),
        ),
    )

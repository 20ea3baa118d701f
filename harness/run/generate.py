"""Generation of one unit: rollout, streaming decode, video, latents, record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.devices import reset_peaks
from harness.core.events import Interrupted
from harness.core.files import replacing
from harness.run.unit_progress import PlanChanged, Superseded, UnitProgress
from harness.run.unit_record import unit_record, unit_timings_s
from harness.run.video_pipeline import VideoPipeline
from harness.run.video_writer import VideoWriter
from harness.store.run_store import RunStore

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone
    from backbones.engine.block import Block
    from backbones.engine.runtime import Runtime
    from harness.run.prepared import PreparedUnit


def generate_unit(
    prepared: PreparedUnit,
    backbone: Backbone,
    store: RunStore,
    runtime: Runtime,
    save_every_blocks: int,
    on_block: Callable[[int, bool], None],
    on_note: Callable[[str], None],
    stop_requested: Callable[[], bool],
    check_claim: Callable[[], None],
) -> None:
    """Make a unit, or finish one that an earlier run started.

    Args:
        prepared: the unit.
        backbone: its backbone, loaded.
        store: store that receives its files.
        runtime: settings of the computation.
        save_every_blocks: blocks between two saves of progress.
        on_block: called after every block with the latent frames made so far, and with whether the
            block was replayed from saved progress.
        on_note: called with a line about saved progress that cannot be used.
        stop_requested: called after every block.
        check_claim: called before anything is saved; raises TakenOver if another process makes the
            unit now.

    Raises:
        Interrupted: `stop_requested` returned True; progress is saved.
        TakenOver: by `check_claim`.
        LongtakeError: a strategy's plan can't be carried out, memory doesn't suffice, or latents
            are not finite.
    """
    unit, block_latents = prepared.unit, backbone.spec.block_latents
    store.remove_leftovers(unit.id)
    steps = _Steps(save_every_blocks, on_block, on_note, stop_requested, check_claim)
    progress = UnitProgress(unit.id, block_latents, store, on_note)
    while True:
        try:
            return _generate(prepared, backbone, store, runtime, progress, steps)
        except PlanChanged as changed:
            # The strategy isn't deterministic, or another machine broke a tie differently. From
            # that block on, the saved latents belong to another rollout.
            first = changed.block
        on_note(f"block {first} was saved with a different plan; regenerating from there")
        progress = UnitProgress(unit.id, block_latents, store, lambda _: None, first)


@dataclass(frozen=True)
class _Steps:
    """The work after every block; see `generate_unit`."""

    save_every_blocks: int
    on_block: Callable[[int, bool], None]
    on_note: Callable[[str], None]
    stop_requested: Callable[[], bool]
    check_claim: Callable[[], None]

    def after(self, block: Block, progress: UnitProgress) -> None:
        self.check_claim()
        stopping = self.stop_requested()
        if stopping:
            progress.save_all()
        else:
            progress.save_every(self.save_every_blocks)
        self.on_block(progress.num_latents, block.replayed)
        if stopping:
            raise Interrupted


def _generate(
    prepared: PreparedUnit,
    backbone: Backbone,
    store: RunStore,
    runtime: Runtime,
    progress: UnitProgress,
    steps: _Steps,
) -> None:
    unit, geometry = prepared.unit, backbone.spec.geometry
    started = time.perf_counter()
    reset_peaks(backbone.device)
    # Saved progress is never cut, even if the unit now asks for a shorter video.
    num_latents = max(unit.num_latents, progress.num_saved_latents)
    rollout = prepared.start(backbone, runtime, num_latents)
    blocks: list[Block] = []
    path = store.unit_dir(unit.id) / "video.mp4"
    try:
        with replacing(path) as temporary:
            with (
                VideoWriter(temporary, geometry.fps, geometry.width, geometry.height) as writer,
                VideoPipeline(backbone.start_decoder(), writer, backbone.device) as video,
            ):
                for block in rollout.blocks(progress.saved_latents, progress.saved_plans):
                    if block.kept_plan:
                        steps.on_note(
                            f"block {block.index} keeps its saved context, which ties with another"
                        )
                    blocks.append(block)
                    progress.add(block)
                    video.push(block.latents)
                    steps.after(block, progress)
            steps.check_claim()
            progress.finish()
    except Superseded:
        return
    timings_s = unit_timings_s(blocks, video, started)
    steps.check_claim()
    store.write_record(unit_record(unit, backbone, rollout, num_latents, path, timings_s))

"""Generation of one unit: rollout, streaming decode, video, latents, record."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.core.devices import reset_peaks
from harness.core.events import Interrupted
from harness.core.files import replacing
from harness.run.unit_progress import Superseded, UnitProgress
from harness.run.unit_record import unit_record, unit_timings_s
from harness.run.video_pipeline import VideoPipeline
from harness.run.video_writer import VideoWriter
from harness.store.run_store import RunStore

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone
    from backbones.engine.rollout import Block
    from backbones.engine.runtime import Runtime
    from harness.run.prepared import PreparedUnit


def generate_unit(
    prepared: PreparedUnit,
    backbone: Backbone,
    store: RunStore,
    runtime: Runtime,
    save_every_blocks: int,
    on_block: Callable[[int, bool], None],
    stop_requested: Callable[[], bool],
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
        stop_requested: called after every block.

    Raises:
        Interrupted: `stop_requested` returned True; progress is saved.
        LongtakeError: a strategy's plan can't be carried out, or saved progress or memory doesn't
            fit.
    """
    unit, spec, geometry = prepared.unit, backbone.spec, backbone.spec.geometry
    started = time.perf_counter()
    reset_peaks(backbone.device)
    store.remove_leftovers(unit.id)
    progress = UnitProgress(unit.id, spec.block_latents, store)
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
                for block in rollout.blocks(progress.saved_latents):
                    blocks.append(block)
                    progress.add(block)
                    video.push(block.latents)
                    stopping = stop_requested()
                    if stopping:
                        progress.save_all()
                    else:
                        progress.save_every(save_every_blocks)
                    on_block(progress.num_latents, block.replayed)
                    if stopping:
                        raise Interrupted
            progress.finish()
    except Superseded:
        return
    timings_s = unit_timings_s(blocks, video, started)
    store.write_record(unit_record(unit, backbone, rollout, num_latents, path, timings_s))

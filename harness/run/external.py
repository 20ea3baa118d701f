"""Making a unit with the command of an external generator."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING

from eval.video.decode import VideoDamaged, check_whole, count_frames, probe
from harness.core.files import copy_file, replacing
from harness.run.external_process import CommandFailed, command_folder, run_command
from harness.run.unit_record import record_of
from harness.store.record import Origin, Record

if TYPE_CHECKING:
    import torch

    from backbones.engine.spec import BackboneSpec
    from backbones.external.backbone import ExternalBackbone
    from harness.store.run_store import RunStore
    from harness.store.units import Unit

_LOG_CHARS = 4000


def make_with_command(
    unit: Unit,
    source: ExternalBackbone,
    device: torch.device,
    store: RunStore,
    stop_requested: Callable[[], bool],
    check_claim: Callable[[], None],
) -> None:
    """Run the command of a unit, check its video and store it.

    Args:
        unit: the unit.
        source: its backbone.
        device: the one that the command uses; a CUDA device becomes CUDA_VISIBLE_DEVICES.
        store: store that receives video and record.
        stop_requested: asked while the command runs.
        check_claim: called before the video is stored, and before the record is; raises TakenOver
            if another process makes the unit now.

    Raises:
        Interrupted: `stop_requested` returned True; the command was stopped.
        TakenOver: by `check_claim`.
        CommandFailed: it ended with an error, took too long, or left no video or another one. The
            end of its output is a note of the error.
    """
    spec, started = source.spec(), time.perf_counter()
    store.remove_leftovers(unit.id)
    with command_folder() as folder:
        argv = source.template().fill(_values(unit, spec, folder))
        with (folder / "command.log").open("w+b") as log:
            try:
                run_command(
                    argv, folder, source.folder, source.timeout_s, device, log, stop_requested
                )
                video = _the_video(folder)
                _check(video, spec, unit.num_latents)
            except (CommandFailed, VideoDamaged) as error:
                error.add_note(f"Output of {argv[0]}:\n{_end_of(log)}")
                raise
        target = store.unit_dir(unit.id) / "video.mp4"
        with replacing(target) as fresh:
            copy_file(video, fresh)
            check_claim()
    record = _record(unit, spec, target, time.perf_counter() - started)
    check_claim()
    store.write_record(record)


def _values(unit: Unit, spec: BackboneSpec, folder: Path) -> dict[str, str]:
    """Return what replaces each placeholder; prompt and segments are written to files too."""
    num_latents = unit.num_latents
    duration_s = num_latents / spec.geometry.latents_per_s
    segments = [{"seconds": duration_s, "prompt": unit.prompt}]
    if unit.script:
        segments = [{"seconds": s.seconds, "prompt": s.prompt} for s in unit.script.segments]
    (folder / "out").mkdir()
    (folder / "script.json").write_text(json.dumps(segments, ensure_ascii=False), encoding="utf-8")
    # Programs read one prompt a line.
    (folder / "prompt.txt").write_text(" ".join(unit.prompt.splitlines()) + "\n", encoding="utf-8")
    return {
        "prompt": unit.prompt,
        "prompt_file": str(folder / "prompt.txt"),
        "script": str(folder / "script.json"),
        "seed": str(unit.seed),
        "duration_s": f"{duration_s:g}",
        "num_frames": str(spec.geometry.num_frames(num_latents)),
        "num_latents": str(num_latents),
        "python": sys.executable,
        "out": str(folder / "out" / "video.mp4"),
        "out_folder": str(folder / "out"),
    }


def _the_video(folder: Path) -> Path:
    """Return the one video that the command left."""
    found = sorted(path for path in (folder / "out").rglob("*") if path.suffix.lower() == ".mp4")
    if len(found) != 1:
        raise CommandFailed(
            f"The command left {len(found)} .mp4 files; expected one, at {{out}} or in "
            "{out_folder}."
        )
    return found[0]


def _check(video: Path, spec: BackboneSpec, num_latents: int) -> None:
    info, geometry = probe(video), spec.geometry
    check_whole(video)
    found = (count_frames(video), info.width, info.height, info.fps)
    expected = (
        geometry.num_frames(num_latents),
        geometry.width,
        geometry.height,
        Fraction(geometry.fps),
    )
    if found != expected:
        raise CommandFailed(
            "The video has {} frames of {} x {} pixels at {} a second; expected {} of {} x {} at "
            "{} (backbone.width, height, fps, temporal_factor).".format(*found, *expected)
        )


def _end_of(log: IO[bytes]) -> str:
    log.flush()
    log.seek(0)
    return log.read().decode(errors="replace")[-_LOG_CHARS:]


def _record(unit: Unit, spec: BackboneSpec, video: Path, end_to_end_s: float) -> Record:
    fps = str(spec.geometry.fps)
    origin = Origin("command", fps, unit.num_latents, spec.licence, end_to_end_s)
    return record_of(unit, spec, unit.num_latents, video, origin)

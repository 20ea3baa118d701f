"""A small working folder with one of everything that Longtake writes and reads back."""

from __future__ import annotations

import contextlib
import gc
import json
import shutil
from pathlib import Path

from slurm.submission import Job, JobStage, PlannedShard, Submission, SubmissionFolder
from tests.faults.command import modules_of, preload

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
PROMPTS = (
    "dusk grassy four walking",
    "noon grassy four returning",
)
_TINY = ("backbone.denoising_step_list=[1000]", "device=cpu", "threads=1")
SWEEP = (
    *("sweep", "--no-report", "name=main", "method=rag", "prompts=prompts.txt", "prompts.num=1"),
    *("duration=2.25", "suite=flicker_stability", *_TINY),
)
LONGER = tuple(word.replace("2.25", "3") for word in SWEEP)
EVAL = ("eval", "sweep=main", "suite=flicker_stability,subject_feature_consistency", "device=cpu")
REPORT = ("report", "sweep=main")
IMPORT = (
    *("eval", "videos=videos", "manifest=manifest.jsonl", "suite=flicker_stability"),
    *("name=own", "device=cpu"),
)
LATENTS = ("latents", "num=2", "prompts=prompts.txt", "duration=2.25", "shard_videos=1", *_TINY)
ENCODER = (
    *("train-encoder", "corpus=runs/corpus", "out=enc", "network.latent_dim=8"),
    *("network.hidden_dims=[8,8]", "steps=6", "batch_chunks=2", "chunk_latents=6"),
    *("loss.window=2", "validate_every=2", "threads=1", "device=cpu"),
)
WORLD = (
    *("train-world", "out=world", "threads=1", "save_every=1", "data.clips=2", "data.held_out=1"),
    *("decoder.steps=2", "decoder.fine=8", "decoder.coarse=8", "transformer.steps=2"),
    *("transformer.dim=48", "transformer.layers=1", "transformer.history_noise_after=1"),
)
RETRIEVAL = ("retrieval", "corpus=runs/corpus", "encoder=avg_pool", "pictures=0", "threads=1")
REPLAY = ("dev", "replay", "case.safetensors")
VERIFY = ("verify", "sweep=main", "threads=1", "--json")

_EXPERIMENT = """
shared: [prompts=prompts.txt, prompts.num=1, duration=2.25, "suite=[]"]
rows:
  window: [method=sliding_window]
  near: [method=rag, method.memory_latents=2]
axes:
  memory: [window, near]
"""
_QUOTED = """
title: Table 1
source: Somebody et al.
link: https://example.org/paper
hand: first
protocol: {prompts: their prompts, clips: vbench_long}
metrics: [imaging_quality]
rows:
  - {backbone: one, method: theirs, duration_s: 30, values: [0.61], note: a note}
"""


def make_workspace(folder: Path, stages: tuple[tuple[str, ...], ...]) -> None:
    """Fill `folder` by running `stages`, and import what they imported into this process."""
    folder.mkdir(parents=True)
    (folder / "prompts.txt").write_text("".join(f"{prompt}\n" for prompt in PROMPTS))
    lines = [
        {"id": "a", "prompt": PROMPTS[0]},
        {"id": "b", "segments": [{"seconds": 1.5, "prompt": text} for text in PROMPTS]},
    ]
    (folder / "prompts.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (folder / "experiment.yaml").write_text(_EXPERIMENT)
    (folder / "quoted.yaml").write_text(_QUOTED)
    for suffix in (".safetensors", ".json"):
        shutil.copyfile((GOLDEN / "rag_avg_pool").with_suffix(suffix), folder / f"case{suffix}")
    for argv in stages:
        preload(modules_of(folder, argv))
        if argv == SWEEP:
            _add_videos(folder)
    gc.collect()
    gc.freeze()


def add_submission(folder: Path) -> None:
    """Add what a submission to SLURM leaves in the store."""
    from backbones.engine.runtime import Runtime
    from harness.config.sweep import load_sweep
    from harness.store.shards import Shard, Stage
    from harness.store.units import plan_units

    (unit,) = (path.name for path in (folder / "runs/main/units").iterdir())
    submission = SubmissionFolder(folder / "runs/main/slurm/20260101-000000-000000-abcdef")
    jobs = (Job(JobStage.generate, "lt-main-g", 0, 1, "17"),)
    with contextlib.chdir(folder):
        units = tuple(plan_units(load_sweep([word for word in SWEEP if "=" in word])))
    store = str(folder / "runs/main")
    Shard(Stage.generate, store, "cpu", 1, 10, Runtime(), units).write(submission.shard_path(0))
    submission.write_plan([PlannedShard(0, JobStage.generate, "tiny", (unit,), (9,), "cpu")])
    submission.write(
        Submission(submission.path.name, SWEEP, str(folder), {"partition": "gpu"}, False, jobs)
    )


def _add_videos(folder: Path) -> None:
    (video,) = folder.glob("runs/main/units/*/video.mp4")
    (folder / "videos").mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copyfile(video, folder / "videos" / name)
    lines = [{"video": f"{name}.mp4", "prompt": PROMPTS[0], "id": name, "seed": 0} for name in "ab"]
    (folder / "manifest.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))

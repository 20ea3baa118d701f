"""Subjects of the campaign: every kind of file that Longtake reads back, and who reads it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults import workspace

_STORE = (workspace.SWEEP, workspace.SWEEP, workspace.VERIFY, workspace.EVAL)


@dataclass(frozen=True)
class Subject:
    """A kind of file to damage.

    Attributes:
        name: for people.
        pattern: its path in the working folder, as a glob.
        format: key of `mutations.BY_FORMAT`.
        commands: those that read it; one is drawn.
        folders: parts of the working folder that the commands need.
        written: whether Longtake wrote it, so that damage must not change a result. What a person
            wrote may be changed into something else that is just as valid.
        without: folder that is removed first, so that the command reads the file.
    """

    name: str
    pattern: str
    format: str
    commands: tuple[tuple[str, ...], ...]
    folders: tuple[str, ...] = ("runs/main", "prompts.txt")
    written: bool = True
    without: str | None = None


_UNIT = "runs/main/units/*"
_CORPUS = ("runs/corpus", "enc")
SUBJECTS = (
    Subject("record", f"{_UNIT}/record.json", "json", _STORE),
    Subject("trace", f"{_UNIT}/trace.jsonl", "jsonl", _STORE),
    Subject("latents", f"{_UNIT}/latents.safetensors", "safetensors", (workspace.VERIFY,)),
    Subject(
        "latents, extended", f"{_UNIT}/latents.safetensors", "safetensors", (workspace.LONGER,)
    ),
    Subject("video", f"{_UNIT}/video.mp4", "binary", _STORE),
    Subject("failure", f"{_UNIT}/failure.json", "json", _STORE),
    Subject("units.jsonl", "runs/main/units.jsonl", "jsonl", (*_STORE, workspace.REPORT)),
    Subject(
        "index",
        "runs/main/index/**/*.jsonl",
        "jsonl",
        (("status", "main"), ("list", "runs"), workspace.VERIFY, workspace.REPORT),
        without="runs/main/slurm",
    ),
    Subject("sweep.yaml", "runs/main/sweep.yaml", "yaml", (*_STORE, workspace.REPORT)),
    Subject("scores", "runs/main/metrics/*/*.json", "json", (*_STORE, workspace.REPORT)),
    Subject("record, report", f"{_UNIT}/record.json", "json", (workspace.REPORT,)),
    Subject("saved chunks", f"{_UNIT}/partial/*.safetensors", "safetensors", (workspace.SWEEP,)),
    Subject(
        "cache of scores",
        "runs/main/scoring/**/*.npz",
        "binary",
        (workspace.EVAL,),
        without="runs/main/metrics",
    ),
    Subject("submission", "runs/main/slurm/*/submission.json", "json", (("status", "sweep=main"),)),
    Subject("submitted plan", "runs/main/slurm/*/plan.jsonl", "jsonl", (("status", "sweep=main"),)),
    Subject("corpus", "runs/corpus/corpus/index.json", "json", (workspace.ENCODER,), _CORPUS),
    Subject(
        "corpus shard",
        "runs/corpus/corpus/latents-*.safetensors",
        "safetensors",
        (workspace.RETRIEVAL, workspace.LATENTS, workspace.ENCODER),
        ("runs/corpus", "prompts.txt"),
    ),
    Subject("encoder run", "enc/training.json", "json", (workspace.ENCODER,), _CORPUS),
    Subject("encoder state", "enc/state.pt", "binary", (workspace.ENCODER,), _CORPUS),
    Subject("encoder result", "enc/best.safetensors", "safetensors", (workspace.ENCODER,), _CORPUS),
    Subject(
        "encoder weights",
        "enc/best.safetensors",
        "safetensors",
        (
            (*workspace.RETRIEVAL, "encoder=autoencoder@enc/best.safetensors"),
            (
                *("sweep", "--dry-run", "method=rag", "method.descriptor=autoencoder"),
                *("method.checkpoint=enc/best.safetensors", "name=other", "duration=2.25"),
            ),
        ),
        _CORPUS,
        written=False,
    ),
    Subject(
        "released weights",
        "enc/ae_latent_mem.pt",
        "binary",
        ((*workspace.RETRIEVAL, "encoder=autoencoder@enc/ae_latent_mem.pt"),),
        _CORPUS,
        written=False,
    ),
    Subject("world run", "world/training.json", "json", (workspace.WORLD,), ("world",)),
    Subject("world state", "world/*.pt", "binary", (workspace.WORLD,), ("world",)),
    Subject(
        "world clips", "world/clips.safetensors", "safetensors", (workspace.WORLD,), ("world",)
    ),
    Subject(
        "world weights",
        "world/street.safetensors",
        "safetensors",
        (
            (
                *("sweep", "--dry-run", "backbone=street", "prompts=street", "name=other"),
                *(
                    "backbone.weights=world/street.safetensors",
                    "method=sliding_window",
                    "duration=3",
                ),
            ),
        ),
        ("world",),
        written=False,
    ),
    Subject(
        "manifest",
        "manifest.jsonl",
        "jsonl",
        (workspace.IMPORT,),
        ("manifest.jsonl", "videos"),
        written=False,
    ),
    Subject(
        "own video",
        "videos/a.mp4",
        "binary",
        (workspace.IMPORT,),
        ("manifest.jsonl", "videos"),
        written=False,
    ),
    Subject(
        "prompt file",
        "prompts.txt",
        "text",
        (("sweep", "--dry-run", "prompts=prompts.txt", "duration=2.25"),),
        ("prompts.txt",),
        written=False,
    ),
    Subject(
        "prompt lines",
        "prompts.jsonl",
        "jsonl",
        (("sweep", "--dry-run", "prompts=prompts.jsonl", "duration=3"),),
        ("prompts.jsonl",),
        written=False,
    ),
    Subject(
        "experiment",
        "experiment.yaml",
        "yaml",
        (("sweep", "--dry-run", "experiment=experiment.yaml"),),
        ("experiment.yaml", "prompts.txt"),
        written=False,
    ),
    Subject(
        "quoted results",
        "quoted.yaml",
        "yaml",
        ((*workspace.REPORT, "quoted=quoted.yaml"),),
        ("quoted.yaml", "runs/main"),
        written=False,
    ),
    Subject(
        "recording",
        "case.json",
        "json",
        (workspace.REPLAY,),
        ("case.json", "case.safetensors"),
        False,
    ),
    Subject(
        "recorded tensors",
        "case.safetensors",
        "safetensors",
        (workspace.REPLAY,),
        ("case.json", "case.safetensors"),
        written=False,
    ),
)
# Starting a rollout or a page costs a hundred times what reading a file does.
WEIGHTS = {"recording": 0.15, "recorded tensors": 0.15, "quoted results": 0.5, "own video": 0.6}
STAGES = (
    *(workspace.SWEEP, workspace.EVAL, workspace.REPORT, workspace.VERIFY, workspace.IMPORT),
    *(workspace.LATENTS, workspace.ENCODER, workspace.WORLD, workspace.RETRIEVAL),
)

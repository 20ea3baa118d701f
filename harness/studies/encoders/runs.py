"""Training runs of the retrieval encoder: configuration, folder, resume.

```
<out>/training.json     settings, corpus, command, steps made, finished or not
<out>/curves.csv .png   training and validation losses, early retrieval numbers
<out>/best.safetensors  lowest validation loss; ae_latent_mem.pt is the same in the released layout
<out>/last.safetensors  newest good weights
<out>/state.pt          what resuming needs, of the last validation or of where it was stopped
```
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.config.overrides import Choice, compose_plain, expand
from harness.config.sweep import CONF
from harness.core.devices import pick_device
from harness.core.errors import LongtakeError, unknown_name
from harness.core.events import Interrupted
from harness.core.files import replacing, write_json, write_text
from harness.core.machine import num_cores, prepare_process
from harness.core.schema import build
from methods.encoders.checkpoint import Training, write_checkpoint
from methods.encoders.corpus import Corpus
from methods.encoders.pca import fit_pca
from methods.encoders.trackers import TrackerKind, start_tracker
from methods.encoders.training import Trainer, TrainingSettings, Validation

_CONF = CONF / "training"
_GROUPS = ("loss", "network")


class EncoderKind(StrEnum):
    """What is trained: the autoencoder, or principal components in closed form."""

    autoencoder = "autoencoder"
    pca = "pca"


@dataclass
class EncoderRun(TrainingSettings):
    """A training run as the command line gives it.

    Args:
        kind: autoencoder or pca; of the latter's settings only network.latent_dim and seed count.
        corpus: folder of the corpus, or the run store that holds it.
        out: folder of the result.
        device: torch device name, or auto.
        threads: CPU threads; None for all cores.
        track: where curves go besides the CSV.
    """

    kind: EncoderKind = EncoderKind.autoencoder
    corpus: str = ""
    out: str | None = None
    device: str = "auto"
    threads: int | None = None
    track: TrackerKind = TrackerKind.none
    command: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where the result goes."""
        return Path(self.out or "")

    @property
    def best(self) -> Path:
        """The trained encoder."""
        return self.folder / "best.safetensors"

    def deciding(self) -> dict[str, Any]:
        """What decides the weights after a given number of steps."""
        if self.kind is EncoderKind.pca:
            return {"kind": "pca", "latent_dim": self.network.latent_dim, "seed": self.seed}
        names = TrainingSettings.__dataclass_fields__.keys() - {"steps"}
        return {key: value for key, value in asdict(self).items() if key in names}


def load_run(arguments: Sequence[str]) -> EncoderRun:
    """The run that command-line overrides describe.

    Raises:
        LongtakeError: anything that doesn't fit, with the nearest valid name.
    """
    # Lists span a grid for keys that no training has; `build` refuses those below.
    choices, *_ = expand(arguments)
    for choice in choices:
        if choice.key in _GROUPS:
            known = sorted(path.stem for path in (_CONF / choice.key).glob("*.yaml"))
            if choice.value not in known:
                raise unknown_name(choice.key, choice.value, known)
    overrides = [str(c) if c.key in _GROUPS else f"++{c}" for c in choices]
    if not any(choice.key == "corpus" for choice in choices):
        raise LongtakeError("Which corpus? corpus=FOLDER, made by: python -m harness latents")
    values = compose_plain(_CONF, "train_encoder", overrides)
    run = build(EncoderRun, values, "training")
    run.out = run.out or f"encoders/{_label(choices)}"
    run.command = ["python", "-m", "harness", "train-encoder", *arguments]
    run.check()
    return run


def finished(run: EncoderRun, corpus_sha256: str) -> bool:
    """Whether the folder holds the result of this very run.

    Args:
        run: what was to be trained.
        corpus_sha256: hash of the index of its corpus as it is now.

    Raises:
        LongtakeError: it holds the result of another one.
    """
    state = _read_state(run.folder)
    if state is None:
        return False
    if differing := _difference(state["deciding"], run.deciding()):
        raise LongtakeError(
            f"{run.folder} holds an encoder trained otherwise ({differing}); name another out= or "
            "delete the folder."
        )
    if state["deciding"].get("corpus_sha256") != corpus_sha256:
        raise LongtakeError(
            f"{run.folder} holds an encoder trained on another corpus than {run.corpus} is now; "
            "name another out= or delete the folder."
        )
    return bool(state["step"] >= run.steps) and run.best.is_file()


def train(
    run: EncoderRun,
    on_step: Callable[[int], None],
    on_validation: Callable[[Validation], None],
) -> Path:
    """Train to the end, going on from what is there; nothing is done twice.

    Args:
        run: what to train.
        on_step: told the steps made; may raise Interrupted to stop, which loses nothing. After any
            other exception training goes on from the last validation.
        on_validation: told the numbers of each validation.

    Returns:
        The best checkpoint.

    Raises:
        Interrupted: as `on_step` raised it, once everything is saved.
        LongtakeError: settings that can't be trained, or a folder with another result.
    """
    corpus = Corpus.load(run.corpus)
    if finished(run, corpus.sha256):
        on_step(run.steps)
        return run.best
    prepare_process(run.threads or num_cores())
    run.folder.mkdir(parents=True, exist_ok=True)
    if run.kind is EncoderKind.pca:
        with replacing(run.best) as temporary:
            fit_pca(corpus, run.network.latent_dim, run.seed, temporary, _origin(run, corpus))
        _vouch(run, corpus, run.steps)
        on_step(run.steps)
        return run.best
    trainer = Trainer(corpus, run, pick_device(run.device))
    lines: list[dict[str, float]] = []
    if _read_state(run.folder) is not None:
        trainer.restore(run.folder / "state.pt")
        lines = [line for line in _read_curves(run.folder) if line["step"] <= trainer.step]
    tracker = start_tracker(run.track, run.folder, run.deciding())
    try:
        for validation in trainer.run(on_step):
            lines.append({"step": validation.step, **validation.values})
            tracker.log(validation.step, validation.values)
            _save(run, corpus, trainer, validation, lines)
            on_validation(validation)
    except Interrupted:
        _save_state(run, corpus, trainer)
        raise
    finally:
        tracker.close()
    return run.best


def _save(
    run: EncoderRun,
    corpus: Corpus,
    trainer: Trainer,
    validation: Validation,
    lines: Sequence[dict[str, float]],
) -> None:
    """Weights and curves first, the state last."""
    metrics = {key: value for key, value in validation.values.items() if math.isfinite(value)}
    metrics.pop("step_s", None)  # the same training gives the same bytes
    training = replace(_origin(run, corpus), step=validation.step, metrics=metrics)
    names = ["last.safetensors"]
    names += ["best.safetensors", "ae_latent_mem.pt"] if validation.improved else []
    for name in names:
        with replacing(run.folder / name) as temporary:
            write_checkpoint(temporary, trainer.model, training)
    _write_curves(run.folder, lines)
    _save_state(run, corpus, trainer)


def _save_state(run: EncoderRun, corpus: Corpus, trainer: Trainer) -> None:
    """What resuming needs; the file that vouches for it last."""
    with replacing(run.folder / "state.pt") as temporary:
        trainer.save(temporary)
    _vouch(run, corpus, trainer.step)


def _origin(run: EncoderRun, corpus: Corpus) -> Training:
    return Training(
        backbones=corpus.index.backbones,
        settings={**run.deciding(), "command": " ".join(run.command)},
        corpus_sha256=corpus.sha256,
    )


def _vouch(run: EncoderRun, corpus: Corpus, step: int) -> None:
    """Note what the files of the folder are; written last."""
    state = {
        "command": run.command,
        "deciding": {**run.deciding(), "corpus_sha256": corpus.sha256},
        "backbones": corpus.index.backbones,
        "step": step,
        "steps": run.steps,
    }
    write_json(run.folder / "training.json", state)


def _label(choices: Sequence[Choice]) -> str:
    """The loss, followed by what was changed in it: full-margin0.7."""
    given = {choice.key: choice.value for choice in choices}
    if given.get("kind") == "pca":
        return "pca"
    loss = given.get("loss", "full")
    changes = [c.key.removeprefix("loss.") + c.value for c in choices if c.key.startswith("loss.")]
    return "-".join([loss, *changes])


def _read_state(folder: Path) -> dict[str, Any] | None:
    try:
        state = json.loads((folder / "training.json").read_text())
        return state if state["deciding"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _difference(found: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> str:
    """The first setting that differs, as "loss.margin is 0.7, not 0.85"; empty if none does."""
    for key, value in json.loads(json.dumps(wanted)).items():
        other = found.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            if nested := _difference(other, value, f"{prefix}{key}."):
                return nested
        elif other != value:
            return f"{prefix}{key} is {other}, not {value}"
    return ""


def _read_curves(folder: Path) -> list[dict[str, float]]:
    path = folder / "curves.csv"
    if not path.is_file():  # stopped before the first validation
        return []
    with path.open(newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    return [row | {"step": int(row["step"])} for row in rows]


def _write_curves(folder: Path, lines: Sequence[dict[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_text(folder / "curves.csv", text.getvalue())

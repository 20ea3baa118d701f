"""Training a retrieval encoder: start or resume a run, and save it after every validation.

```
<out>/training.json     settings, corpus, command, steps done
<out>/curves.csv .png   training and validation losses, estimates of retrieval
<out>/best.safetensors  lowest validation loss; ae_latent_mem.pt is the same in the released layout
<out>/last.safetensors  newest valid weights
<out>/state.pt          state to resume from: the last validation, or the step it was stopped at
```

Resuming reads training.json and state.pt only. A file that is not what was written starts the
training over, which ends with the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.core.devices import pick_device
from harness.core.errors import ConfigError, StoreError
from harness.core.events import Interrupted
from harness.core.files import remove_leftovers, replacing
from harness.core.machine import num_cores, prepare_process
from harness.studies.encoders.run_config import EncoderKind, EncoderRun
from harness.studies.training_folder import (
    STATE,
    TrainingState,
    digests,
    first_difference,
    starting_over,
    write_curves,
)
from methods.encoders.checkpoint import Training, write_checkpoint
from methods.encoders.corpus import INDEX, Corpus
from methods.encoders.pca import fit_pca
from methods.encoders.trackers import start_tracker
from methods.encoders.training import Trainer, Validation

_RESULTS = ("best.safetensors", "ae_latent_mem.pt", "last.safetensors")


def finished(run: EncoderRun, corpus_sha256: str) -> bool:
    """Return True if the folder contains the complete result of this run.

    Args:
        run: the run.
        corpus_sha256: hash of the index of its corpus as it is now.

    Raises:
        ConfigError: the folder contains the result of another run.
    """
    try:
        state = TrainingState.read(run.folder)
    except StoreError:  # `train` says so and starts over
        return False
    if state is None:
        return False
    remedy = "Set another out= or delete the folder."
    if differing := first_difference(state.deciding, run.deciding()):
        raise ConfigError(
            f"{run.folder / STATE} is of an encoder trained with other settings ({differing}). "
            f"{remedy}"
        )
    if state.deciding.get("corpus_sha256") != corpus_sha256:
        raise ConfigError(
            f"{run.folder / STATE} is of an encoder trained on another corpus than the {INDEX} of "
            f"{run.corpus} describes now. {remedy}"
        )
    return state.step >= run.steps and run.best.is_file() and not state.damaged(run.folder)


def train(
    run: EncoderRun,
    on_step: Callable[[int], None],
    on_validation: Callable[[Validation], None],
    on_damage: Callable[[str], None],
) -> Path:
    """Train to the last step, resuming from what the folder contains.

    Args:
        run: the run.
        on_step: called with the number of steps done. It may raise Interrupted, which stops the
            training without losing a step. After any other exception, or a kill, training resumes
            from the last validation.
        on_validation: called with the numbers of each validation.
        on_damage: called with a line about a file that is not what was written.

    Returns:
        The best checkpoint.

    Raises:
        Interrupted: `on_step` raised it; everything is saved.
        LongtakeError: the settings cannot be trained, the training diverged, or the folder contains
            another result.
    """
    corpus = Corpus.load(run.corpus)
    if finished(run, corpus.sha256):
        on_step(run.steps)
        return run.best
    state: TrainingState | None = None
    with starting_over(on_damage):
        state = TrainingState.read(run.folder)
    prepare_process(run.threads or num_cores())
    run.folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(run.folder)
    if run.kind is EncoderKind.pca:
        with replacing(run.best) as temporary:
            fit_pca(corpus, run.network.latent_dim, run.seed, temporary, _origin(run, corpus))
        _write_state(run, corpus, run.steps)
        on_step(run.steps)
        return run.best
    trainer = Trainer(corpus, run, pick_device(run.device))
    if state is not None and (damage := state.damaged(run.folder)):
        on_damage(damage)
    elif state is not None:
        with starting_over(on_damage):
            trainer.restore(run.folder / "state.pt")
    tracker = start_tracker(run.track, run.folder, run.deciding())
    try:
        for validation in trainer.run(on_step):
            trainer.lines.append({"step": validation.step, **validation.values})
            tracker.log(validation.step, validation.values)
            _save(run, corpus, trainer, validation)
            on_validation(validation)
    except Interrupted:
        _save_state(run, corpus, trainer)
        raise
    finally:
        tracker.close()
    return run.best


def _save(run: EncoderRun, corpus: Corpus, trainer: Trainer, validation: Validation) -> None:
    """Save weights and curves first, and last the state that refers to them."""
    metrics = {key: value for key, value in validation.values.items() if math.isfinite(value)}
    metrics.pop("step_s", None)  # a time would make two equal trainings differ in their bytes
    training = replace(_origin(run, corpus), step=validation.step, metrics=metrics)
    names = ["last.safetensors"]
    names += ["best.safetensors", "ae_latent_mem.pt"] if validation.improved else []
    for name in names:
        with replacing(run.folder / name) as temporary:
            write_checkpoint(temporary, trainer.model, training)
    write_curves(run.folder, trainer.lines)
    _save_state(run, corpus, trainer)


def _save_state(run: EncoderRun, corpus: Corpus, trainer: Trainer) -> None:
    with replacing(run.folder / "state.pt") as temporary:
        trainer.save(temporary)
    _write_state(run, corpus, trainer.step)


def _write_state(run: EncoderRun, corpus: Corpus, step: int) -> None:
    deciding = {**run.deciding(), "corpus_sha256": corpus.sha256}
    backbones = corpus.index.backbones
    files = digests(run.folder, _RESULTS)
    TrainingState(run.command, deciding, backbones, step, run.steps, files).write(run.folder)


def _origin(run: EncoderRun, corpus: Corpus) -> Training:
    """Return the origin of the weights, as the checkpoint names it."""
    return Training(
        backbones=corpus.index.backbones,
        settings={**run.deciding(), "command": " ".join(run.command)},
        corpus_sha256=corpus.sha256,
    )

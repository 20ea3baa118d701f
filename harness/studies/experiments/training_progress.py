"""Progress of the encoders of an experiment, which are trained before its units are planned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.core.typed_files import read_typed
from harness.store.experiment import StoredExperiment
from harness.store.paths import StorePaths
from harness.studies.training_folder import TrainingState


@dataclass(frozen=True)
class EncoderProgress:
    """One encoder of an experiment.

    Attributes:
        label: its label.
        step: steps that are saved.
        steps: steps asked for; None before the first save.
    """

    label: str
    step: int
    steps: int | None

    def __str__(self) -> str:
        if self.steps is None:
            return f"encoder {self.label}: not trained yet"
        return f"encoder {self.label}: {self.step} of {self.steps} steps"

    @property
    def is_trained(self) -> bool:
        """True if all steps are done."""
        return self.steps is not None and self.step >= self.steps


def encoder_folder(store: Path, label: str) -> Path:
    """Return the folder of an encoder of an experiment."""
    return store / "encoders" / label.replace(" ", "-").replace("=", "")


def read_encoder_progress(paths: StorePaths) -> list[EncoderProgress]:
    """Return the progress of the encoders of a sweep; none if it belongs to no experiment.

    Raises:
        StoreError: a file of the experiment or of a training is damaged.
    """
    try:
        experiment = read_typed(paths.experiment_path, StoredExperiment)
    except FileNotFoundError:
        return []
    found = []
    for label in experiment.encoders:
        state = TrainingState.read(encoder_folder(paths.root, label))
        progress = (state.step, state.steps) if state else (0, None)
        found.append(EncoderProgress(label, *progress))
    return found

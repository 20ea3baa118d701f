"""An experiment with the settings of the command line: its encoders, its corpus and its sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from harness.config.overrides import override_with, split
from harness.config.sweep import SweepConfig, load_sweep
from harness.core.errors import ConfigError, naming
from harness.core.typed_files import from_plain, write_typed
from harness.store.experiment import StoredExperiment
from harness.store.run_store import RunStore
from harness.studies.encoders.corpus_config import CorpusConfig
from harness.studies.encoders.run_config import load_run
from harness.studies.encoders.train import finished
from harness.studies.experiments.experiment import Experiment, encoder_of, read_experiment
from harness.studies.experiments.training_progress import encoder_folder

# Settings of the command line that also apply to the rollouts of the corpus.
_CORPUS_KEYS = (
    *("backbone", "batch", "device", "executor", "runs", "save_every_blocks", "stall_limit_s"),
    *("threads", "workers"),
)


@dataclass(frozen=True)
class EncoderTask:
    """An encoder that rows need: its label, and the arguments of `train-encoder`."""

    label: str
    arguments: list[str]


@dataclass(frozen=True)
class ExperimentPlan:
    """An experiment with the settings of the command line.

    Attributes:
        name: name of the experiment and, unless name= is given, of its run store.
        given: the name or file as it was given, for messages.
        experiment: content of its file.
        overrides: settings of the command line.
    """

    name: str
    given: str
    experiment: Experiment
    overrides: tuple[str, ...]

    @classmethod
    def load(cls, name: str, overrides: Sequence[str]) -> ExperimentPlan:
        """Read a shipped experiment or a YAML file.

        Raises:
            ConfigError: a file that is not an experiment, or method= among the overrides.
            UnknownName: an unknown experiment, or a label in it that refers to nothing.
        """
        if any(choice.key == "method" for choice in split(overrides)):
            raise ConfigError("An experiment has its own rows; leave out method=.")
        stem, experiment = read_experiment(name)
        return cls(stem, name, experiment, tuple(overrides))

    @property
    def store(self) -> Path:
        """Folder of the run store."""
        return Path(self._given("runs", "runs")) / self._given("name", self.name)

    @cached_property
    def corpus(self) -> CorpusConfig:
        """Corpus that the encoders are trained on, made or not.

        Raises:
            LongtakeError: settings that make no corpus.
        """
        given = [str(choice) for choice in split(self.overrides) if choice.group in _CORPUS_KEYS]
        name = f"name={self.store.name}_corpus"
        with naming(f"experiment={self.given}, corpus"):
            return CorpusConfig.load([name, *override_with(self.experiment.corpus, given)])

    def encoder_tasks(self) -> list[EncoderTask]:
        """Return the encoders of the experiment, trained or not."""
        shared = [*self.experiment.training, f"device={self._given('device', 'auto')}"]
        if threads := self._given("threads", ""):
            shared.append(f"threads={threads}")
        tasks = []
        for label, overrides in self.experiment.encoders.items():
            place = [f"corpus={self.corpus.folder}", f"out={encoder_folder(self.store, label)}"]
            tasks.append(EncoderTask(label, [*place, *override_with(shared, overrides)]))
        return tasks

    def missing_encoders(self) -> list[str]:
        """Return the labels of encoders that are not trained yet on the corpus as it is now.

        Raises:
            ConfigError: a folder contains an encoder trained with other settings.
        """
        return [
            task.label
            for task in self.encoder_tasks()
            if not finished(load_run(task.arguments), self.corpus.index.sha256)
        ]

    def config(self) -> SweepConfig:
        """Build the sweep of all rows whose encoders are trained, named by their labels.

        Raises:
            ConfigError: a row that spans several methods, or no row without a missing encoder.
            LongtakeError: as `load_sweep`.
        """
        rows, resolved, settings = [], [], None
        missing = set(self.missing_encoders())
        for label, overrides in self.experiment.rows.items():
            if missing & set(map(encoder_of, split(overrides))):
                continue
            named = [f"name={self.store.name}", *self._with_checkpoints(overrides)]
            row_overrides = override_with(self.experiment.shared, named)
            with naming(f"experiment={self.given}, row {label!r}"):
                config = load_sweep(
                    override_with(row_overrides, self.overrides), unlabelled=self.experiment.shared
                )
            settings = config.settings
            if len({row.method.label for row in config.rows}) > 1:
                raise ConfigError(
                    f"Row {label!r} of experiment {self.name} takes one value per method argument."
                )
            for row, full in zip(config.rows, config.resolved, strict=True):
                rows.append(replace(row, method=replace(row.method, label=label)))
                resolved.append({**full, "experiment": self.name, "row": label})
        if settings is None:
            raise ConfigError(
                f"Every row of experiment {self.name} needs an encoder that is not trained yet: "
                f"{', '.join(sorted(missing))}."
            )
        return SweepConfig(settings, tuple(rows), tuple(resolved))

    def note(self, store: RunStore) -> None:
        """Write the experiment into the run store, where the report finds its axes."""
        content = {"name": self.name, **asdict(self.experiment)}
        stored = from_plain(content, StoredExperiment, f"experiment {self.name}")
        write_typed(store.experiment_path, stored)

    def _with_checkpoints(self, overrides: Sequence[str]) -> list[str]:
        """Replace `encoder:LABEL` by the path of that encoder."""
        given = []
        for choice in split(overrides):
            if (label := encoder_of(choice)) is not None:
                path = encoder_folder(self.store, label) / "best.safetensors"
                choice = replace(choice, value=str(path))
            given.append(str(choice))
        return given

    def _given(self, key: str, default: str) -> str:
        values = [choice.value for choice in split(self.overrides) if choice.key == key]
        return values[-1] if values else default

"""Experiments: named grids with a question, in harness/conf/experiment or a file of your own.

An experiment lists rows (each a line of overrides), the encoders that rows search by and how to
train them, and axes: which rows to compare in tables and plots. A row that several axes share is
made once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from harness.config.sweep import CONF, SweepConfig, load_sweep
from harness.core.errors import LongtakeError, unknown_name
from harness.core.files import write_json
from harness.core.schema import build
from harness.store.run_store import RunStore
from harness.studies.encoders.corpus_config import CorpusConfig
from harness.studies.encoders.runs import finished, load_run

_ENCODER = "encoder:"
# Settings of the command line that also hold for the rollouts of the corpus.
_CORPUS_KEYS = ("backbone", "device", "executor", "runs", "save_every_blocks")


@dataclass
class Experiment:
    """The content of an experiment's YAML file; all lists are overrides.

    Args:
        shared: settings of every row.
        rows: settings of each row, by its label.
        corpus: settings of `python -m harness latents`.
        training: settings of every training.
        encoders: settings of each `python -m harness train-encoder`, by its label.
        axes: labels of the rows to compare; the first of an axis is its reference.
    """

    shared: list[str] = field(default_factory=list)
    rows: dict[str, list[str]] = field(default_factory=dict)
    corpus: list[str] = field(default_factory=list)
    training: list[str] = field(default_factory=list)
    encoders: dict[str, list[str]] = field(default_factory=dict)
    axes: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class EncoderTask:
    """One encoder that rows need, and the arguments of `train-encoder` for it."""

    label: str
    arguments: list[str]


def experiment_names() -> list[str]:
    """Shipped experiments."""
    return sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


def split_experiment(overrides: Sequence[str]) -> tuple[str | None, list[str]]:
    """The value of `experiment=`, if given, and the other overrides."""
    named = [item.partition("=")[2] for item in overrides if item.startswith("experiment=")]
    if len(named) > 1:
        raise LongtakeError("experiment= is given twice.")
    return (named[0] if named else None), [o for o in overrides if not o.startswith("experiment=")]


@dataclass(frozen=True)
class ExperimentPlan:
    """An experiment with the settings of the command line.

    Attributes:
        name: of the experiment and, unless name= says otherwise, its run store.
        experiment: the YAML content.
        overrides: of the command line.
    """

    name: str
    experiment: Experiment
    overrides: tuple[str, ...]

    @classmethod
    def load(cls, name: str, overrides: Sequence[str]) -> ExperimentPlan:
        """Read a shipped experiment or a YAML file.

        Raises:
            LongtakeError: unknown name, or a file that is no experiment.
        """
        path = CONF / "experiment" / f"{name}.yaml"
        if name.endswith((".yaml", ".yml")):
            path = Path(name)
            if not path.is_file():
                raise LongtakeError(f"experiment={name}: no such file.")
        elif name not in experiment_names():
            raise unknown_name("experiment", name, experiment_names())
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise LongtakeError(f"{path} is not readable YAML: {error}") from error
        if not isinstance(content, dict):
            raise LongtakeError(f"{path} must hold keys and values.")
        plan = cls(path.stem, build(Experiment, content, "experiment"), tuple(overrides))
        plan._check()
        return plan

    def _check(self) -> None:
        experiment = self.experiment
        if any(_key(override) == "method" for override in self.overrides):
            raise LongtakeError("An experiment has its own rows: leave out method=.")
        if not experiment.rows:
            raise LongtakeError(f"Experiment {self.name} has no rows.")
        for labels in experiment.axes.values():
            for label in labels:
                if label not in experiment.rows:
                    raise unknown_name("row of an axis", label, experiment.rows)
        for overrides in experiment.rows.values():
            for label in filter(None, (_encoder_of(override) for override in overrides)):
                if label not in experiment.encoders:
                    raise unknown_name("encoder of a row", label, experiment.encoders)

    @property
    def store(self) -> Path:
        """The run store's folder."""
        return Path(self._given("runs", "runs")) / self._given("name", self.name)

    @cached_property
    def corpus(self) -> CorpusConfig:
        """The corpus that the encoders are trained on, made or not.

        Raises:
            LongtakeError: settings that make no corpus.
        """
        return CorpusConfig.load(self.corpus_arguments())

    def corpus_arguments(self) -> list[str]:
        """Arguments of `latents` for the corpus that the encoders are trained on."""
        mine = [o for o in self.overrides if _key(o).partition(".")[0] in _CORPUS_KEYS]
        name = f"name={self.store.name}_corpus"
        return [name, *_merge(self.experiment.corpus, mine)]

    def encoder_tasks(self) -> list[EncoderTask]:
        """The encoders that the rows search by."""
        shared = [*self.experiment.training, f"device={self._given('device', 'auto')}"]
        if threads := self._given("executor.threads", ""):
            shared.append(f"threads={threads}")
        tasks = []
        for label, overrides in self.experiment.encoders.items():
            folder = self._encoder_folder(label)
            arguments = [
                f"corpus={self.corpus.folder}",
                f"out={folder}",
                *_merge(shared, overrides),
            ]
            tasks.append(EncoderTask(label, arguments))
        return tasks

    def missing_encoders(self) -> list[str]:
        """Labels of encoders that are not trained yet on the corpus that is asked for now.

        Raises:
            LongtakeError: a folder holds an encoder that was trained otherwise.
        """
        return [
            task.label
            for task in self.encoder_tasks()
            if not finished(load_run(task.arguments), self.corpus.index.sha256)
        ]

    def config(self) -> SweepConfig:
        """The sweep: all rows whose encoders are there, under their labels.

        Raises:
            LongtakeError: as load_sweep.
        """
        rows, resolved, settings = [], [], None
        missing = set(self.missing_encoders())
        for label, overrides in self.experiment.rows.items():
            if missing & {_encoder_of(override) for override in overrides}:
                continue
            named = [f"name={self.store.name}", *self._resolved(overrides)]
            config = load_sweep(_merge(_merge(self.experiment.shared, named), self.overrides))
            settings = config.settings
            if len({row.method.label for row in config.rows}) > 1:
                raise LongtakeError(
                    f"Row {label!r} of experiment {self.name} takes one value per method argument."
                )
            for row, full in zip(config.rows, config.resolved, strict=True):
                rows.append(
                    replace(
                        row,
                        backbone=replace(row.backbone, label=self._short(row.backbone.label)),
                        method=replace(row.method, label=label),
                    )
                )
                resolved.append({**full, "experiment": self.name, "row": label})
        if settings is None:
            raise LongtakeError(
                f"All rows of experiment {self.name} wait for encoders: {', '.join(missing)}."
            )
        return SweepConfig(settings, tuple(rows), tuple(resolved))

    def note(self, store: RunStore) -> None:
        """Save beside the units what reports need: the axes."""
        content: Mapping[str, Any] = {"name": self.name, **asdict(self.experiment)}
        write_json(store.root / "experiment.json", content)

    def _short(self, label: str) -> str:
        """A backbone's label without what the experiment sets for all rows."""
        for override in self.experiment.shared:
            label = label.replace(f" {override.removeprefix('backbone.')}", "")
        return label

    def _resolved(self, overrides: Sequence[str]) -> list[str]:
        resolved = []
        for override in overrides:
            label = _encoder_of(override)
            if label is not None:
                path = self._encoder_folder(label) / "best.safetensors"
                override = f"{_key(override)}={path}"
            resolved.append(override)
        return resolved

    def _encoder_folder(self, label: str) -> Path:
        return self.store / "encoders" / label.replace(" ", "-").replace("=", "")

    def _given(self, key: str, default: str) -> str:
        values = [o.partition("=")[2] for o in self.overrides if _key(o) == key]
        return values[-1] if values else default


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+")


def _encoder_of(override: str) -> str | None:
    """The encoder's label in `method.checkpoint=encoder:LABEL`."""
    value = override.partition("=")[2]
    return value.removeprefix(_ENCODER) if value.startswith(_ENCODER) else None


def _merge(first: Sequence[str], then: Sequence[str]) -> list[str]:
    """Overrides of which the later win; choosing a group anew drops what was set in it."""
    keys = {_key(override) for override in then}
    kept = [o for o in first if _key(o) not in keys and _key(o).partition(".")[0] not in keys]
    return [*kept, *then]

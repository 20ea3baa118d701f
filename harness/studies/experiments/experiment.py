"""An experiment file: named rows, the encoders they search by, and the comparisons to report.

Experiments are shipped in harness/config/conf/experiment; any other YAML file may be one too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.config.options import CONF
from harness.config.overrides import Choice, split, take
from harness.core.errors import ConfigError, StoreError, naming, unknown_name
from harness.core.schema import build
from harness.core.untyped import read_yaml

_ENCODER = "encoder:"


@dataclass
class Experiment:
    """Content of an experiment file; every setting is an override of the command line.

    Args:
        shared: settings of every row.
        rows: settings of each row, by its label. `method.checkpoint=encoder:LABEL` refers to an
            encoder of this file.
        corpus: settings of `python -m harness latents`.
        training: settings of every training run.
        encoders: settings of each `python -m harness train-encoder`, by its label.
        axes: labels of the rows to compare; the first of an axis is its reference. A row that
            several axes share is made once.
    """

    shared: list[str] = field(default_factory=list)
    rows: dict[str, list[str]] = field(default_factory=dict)
    corpus: list[str] = field(default_factory=list)
    training: list[str] = field(default_factory=list)
    encoders: dict[str, list[str]] = field(default_factory=dict)
    axes: dict[str, list[str]] = field(default_factory=dict)

    def check(self, name: str) -> None:
        """Refuse an experiment without rows, or with labels that refer to nothing.

        Raises:
            ConfigError: it has no rows.
            UnknownName: a label of a row or an encoder that the file does not define.
        """
        if not self.rows:
            raise ConfigError(f"Experiment {name} has no rows.")
        for labels in self.axes.values():
            for label in labels:
                if label not in self.rows:
                    raise unknown_name("row of an axis", label, self.rows)
        for overrides in self.rows.values():
            for label in filter(None, map(encoder_of, split(overrides))):
                if label not in self.encoders:
                    raise unknown_name("encoder of a row", label, self.encoders)


def experiment_names() -> list[str]:
    """Return the names of the shipped experiments."""
    return sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


def read_experiment(name: str) -> tuple[str, Experiment]:
    """Read a shipped experiment by its name, or any other by the path of its YAML file.

    Returns:
        Its name, which is the stem of the file, and its content.

    Raises:
        ConfigError: no such file, or one that is not an experiment.
        UnknownName: no shipped experiment has this name.
    """
    path = CONF / "experiment" / f"{name}.yaml"
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"experiment={name}: no such file.")
    elif name not in experiment_names():
        raise unknown_name("experiment", name, experiment_names())
    try:
        content = read_yaml(path)
    except StoreError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values.")
    with naming(path):
        experiment = build(Experiment, content, "experiment")
        experiment.check(path.stem)
    return path.stem, experiment


def split_experiment(overrides: Sequence[str]) -> tuple[str | None, list[str]]:
    """Split overrides into the value of `experiment=`, if given, and the others.

    Raises:
        ConfigError: `experiment=` is given twice.
    """
    taken, others = take(overrides, ("experiment",))
    return taken.get("experiment"), others


def encoder_of(choice: Choice) -> str | None:
    """Return the label in `method.checkpoint=encoder:LABEL`; None for any other override."""
    value = choice.value
    return value.removeprefix(_ENCODER) if value.startswith(_ENCODER) else None

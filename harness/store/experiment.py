"""The file experiment.json of a run store: the experiment that its sweep belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class StoredExperiment:
    """The content of experiment.json; settings are overrides of the command line.

    Attributes:
        name: name of the experiment.
        axes: labels of the rows to compare; the first of an axis is its reference.
        shared: settings of every row.
        rows: settings of each row, by its label.
        corpus: settings of the corpus that encoders are trained on.
        training: settings of every training run.
        encoders: settings of each encoder, by its label.
    """

    name: str
    axes: dict[str, tuple[str, ...]]
    shared: tuple[str, ...] = ()
    rows: dict[str, tuple[str, ...]] = field(default_factory=dict)
    corpus: tuple[str, ...] = ()
    training: tuple[str, ...] = ()
    encoders: dict[str, tuple[str, ...]] = field(default_factory=dict)

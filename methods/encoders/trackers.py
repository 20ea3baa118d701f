"""Destinations of training curves besides the CSV: TensorBoard or Weights & Biases."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from harness.core.errors import ConfigError


class TrackerKind(StrEnum):
    """Kind of tracker."""

    none = "none"
    tensorboard = "tensorboard"
    wandb = "wandb"


class Tracker(Protocol):
    """Receives the training curves, one step at a time."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Record the values of a step."""

    def close(self) -> None:
        """Write buffered values and end the run."""


class _Nowhere:
    def log(self, step: int, values: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class _TensorBoard:
    def __init__(self, folder: Path) -> None:
        module = load_tracker("torch.utils.tensorboard", "track=tensorboard")
        self._writer = module.SummaryWriter(str(folder / "tensorboard"))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _WeightsAndBiases:
    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        module = load_tracker("wandb", "track=wandb")
        self._run = module.init(
            project="longtake-encoder", dir=str(folder), name=folder.name, config=dict(settings)
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


def start_tracker(kind: TrackerKind, folder: Path, settings: Mapping[str, Any]) -> Tracker:
    """Create the tracker of a kind.

    Raises:
        ConfigError: its package is not installed.
    """
    if kind is TrackerKind.tensorboard:
        return _TensorBoard(folder)
    if kind is TrackerKind.wandb:
        return _WeightsAndBiases(folder, settings)
    return _Nowhere()


def load_tracker(module: str, setting: str) -> Any:
    """Import the module of a tracker that `setting`, such as "track=wandb", asks for.

    Raises:
        ConfigError: its package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = setting.partition("=")[2]
        raise ConfigError(f"{setting} needs a package: pip install {package}") from error

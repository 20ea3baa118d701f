"""The loop both trainings share: AdamW, a running average of the weights, state to resume from.

All randomness of a step follows from the seed and the number of the step. A run that was stopped
after any step and goes on is bit-identical to one that never stopped (same machine, same threads).
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.core.errors import ConfigError, TrainingDiverged
from harness.core.sealed import read_state, write_state

_WARMUP_STEPS = 100
_FINAL_RATE = 0.05  # of the learning rate, at the last step


@dataclass
class LoopSettings:
    """Settings of the optimizer.

    Args:
        steps: optimizer steps.
        learning_rate: of AdamW, after a warm-up and before it falls.
        falls_after: share of the steps after which the learning rate falls, linearly.
        weight_decay: of AdamW.
        gradient_clip: largest norm of the gradient.
        average_decay: decay of the running average of the weights, which is what is kept.
    """

    steps: int = 1000
    learning_rate: float = 1e-3
    falls_after: float = 0.6
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    average_decay: float = 0.998

    def check(self, prefix: str) -> None:
        """Refuse what can't be trained.

        Args:
            prefix: name of these settings on the command line.

        Raises:
            ConfigError: a number out of its range.
        """
        if self.steps < 1:
            raise ConfigError(f"{prefix}.steps must be at least 1, got {self.steps}.")
        for key in ("learning_rate", "gradient_clip"):
            if not 0 < getattr(self, key) < math.inf:
                raise ConfigError(f"{prefix}.{key} must be positive, got {getattr(self, key)}.")
        for key in ("falls_after", "average_decay", "weight_decay"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"{prefix}.{key} must lie in 0..1, got {getattr(self, key)}.")


class Loop(ABC):
    """Trains one network.

    Args:
        name: of the training, for messages and for what its random numbers are drawn by.
        settings: of the optimizer.
        model: the network with its initial weights.
        seed: decides the random numbers of every step.

    Attributes:
        step: steps made.
        averages: running average of the weights.
        recent: losses of the steps since they were last taken.
        lines: curves.csv so far, which the owner of the loop fills and `save` includes.
    """

    def __init__(self, name: str, settings: LoopSettings, model: nn.Module, seed: int) -> None:
        self.name, self.settings, self.model, self.seed = name, settings, model, seed
        self.recent: list[float] = []
        self.lines: list[dict[str, float]] = []
        self.averages = {key: value.clone() for key, value in model.state_dict().items()}
        self._optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=settings.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=settings.weight_decay,
        )
        self.step = 0

    @abstractmethod
    def loss(self) -> Tensor:
        """Return the loss of the next step."""

    def generator(self, purpose: str) -> torch.Generator:
        """Return the source of the random numbers of the next step."""
        return seeded(f"{self.seed}/{self.name}/{purpose}/{self.step}")

    def advance(self) -> None:
        """Make one step.

        Raises:
            TrainingDiverged: the loss or its gradient is infinite or NaN.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate()
        loss = self.loss()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        limit = self.settings.gradient_clip
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit))
        value = float(loss.detach())
        if not math.isfinite(value) or not math.isfinite(norm):
            raise TrainingDiverged(
                f"Training of the {self.name} diverged at step {self.step}: loss {value:.4g}, "
                f"gradient norm {norm:.4g}. What was saved before is kept; lower "
                f"{self.name}.learning_rate= and start in another folder."
            )
        self._optimizer.step()
        self.step += 1
        self.recent.append(value)
        # Short at the beginning, so that the average forgets the initial weights soon.
        decay = min(self.settings.average_decay, (self.step + 1) / (self.step + 20))
        with torch.no_grad():
            for key, parameter in self.model.state_dict().items():
                self.averages[key].lerp_(parameter, 1 - decay)

    @property
    def finished(self) -> bool:
        """Return whether all steps are made."""
        return self.step >= self.settings.steps

    def save(self, path: Path) -> None:
        """Write everything that `restore` needs to go on exactly."""
        write_state(
            path,
            {
                "model": self.model.state_dict(),
                "averages": self.averages,
                "optimizer": self._optimizer.state_dict(),
                "step": self.step,
                "lines": self.lines,
                "recent": self.recent,
            },
        )

    def restore(self, path: Path) -> None:
        """Go on from what `save` wrote with the same settings.

        Raises:
            FileNotFoundError: there is no such file.
            StoreError: the file is not what was written.
        """
        state = read_state(path)
        self.model.load_state_dict(state["model"])
        self.averages = dict(state["averages"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self.recent, self.lines = state["step"], state["recent"], state["lines"]

    def _learning_rate(self) -> float:
        settings, step = self.settings, self.step
        warm = min(1.0, (step + 1) / _WARMUP_STEPS)
        tail = max(1.0, settings.steps * (1 - settings.falls_after))
        return (
            settings.learning_rate
            * warm
            * max(_FINAL_RATE, min(1.0, (settings.steps - step) / tail))
        )


def seeded(key: str) -> torch.Generator:
    """Return a generator that a text seeds."""
    digest = hashlib.sha256(key.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


@contextmanager
def initial_weights(seed: int) -> Iterator[None]:
    """Let a seed decide the initial weights of the modules built in this block."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield

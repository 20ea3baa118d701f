"""What networks made of one clip: kept beside it, so that every metric finds it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from eval.metric import Clip, MetricUnavailable
    from eval.networks.network import Network


class Outputs:
    """Arrays by network, and reasons where a network failed."""

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}
        self._failures: dict[str, MetricUnavailable] = {}

    def put(self, network: Network, output: np.ndarray) -> None:
        """Keep an output."""
        self._arrays[network.name] = output

    def fail(self, network: Network, reason: MetricUnavailable) -> None:
        """Keep why there is no output."""
        self._failures[network.name] = reason

    def of(self, network: Network, clip: Clip) -> np.ndarray:
        """The kept output; without one the network runs now, on the processor.

        Raises:
            MetricUnavailable: the network failed on this clip.
        """
        if network.name in self._failures:
            raise self._failures[network.name]
        if network.name not in self._arrays:
            network.check()
            self._arrays[network.name] = network.load("cpu")(clip)
        return self._arrays[network.name]

"""The contract of a network, and the outputs that metrics are handed.

A network is anything costly that turns a clip into an array: a neural network, optical flow. A
metric declares the networks it needs; the scorer runs each of them once per clip, however many
metrics need it, and keeps the arrays on disk under the network's `key`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import numpy as np

from eval.clip import Clip
from eval.errors import MetricUnavailable

Runner = Callable[[Clip], np.ndarray]


class Network(Protocol):
    """Describes a network without loading it.

    A network that needs much more memory while it runs reports it by a method `work_mib(clip)`. One
    whose output depends on the frames before the clip too, or on the clip's place in the video, has
    `reads_before` set to True.

    Attributes:
        name: unique.
        size_mib: approximate memory while loaded.
        reads_prompt: whether it reads the clip's prompt instead of its frames.
    """

    @property
    def name(self) -> str: ...

    @property
    def size_mib(self) -> int: ...

    @property
    def reads_prompt(self) -> bool: ...

    def check(self) -> None:
        """Look for packages and weights, without importing or reading them.

        Raises:
            MetricUnavailable: something is missing; the text says what to install or fetch.
        """

    def key(self, device: str) -> str:
        """Name everything an output depends on besides the clip.

        This is the name, the version of the code around the network, the digest of the weights and
        the kind of device.
        """

    def load(self, device: str) -> Runner:
        """Load the network.

        Raises:
            MetricUnavailable: the weights are not those of this network.
        """


class Outputs:
    """The outputs of networks on one clip, looked up by network: `outputs[DIS_FLOW]`.

    Args:
        arrays: by name of the network, the output, or the reason why there is none.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray | MetricUnavailable]) -> None:
        self._arrays = arrays

    def __getitem__(self, network: Network) -> np.ndarray:
        """Return the output of `network`.

        Raises:
            MetricUnavailable: the network failed on this clip, or the metric does not declare it.
        """
        if network.name not in self._arrays:
            raise MetricUnavailable(
                f"the metric asks for the output of {network.name!r} but declares only "
                f"{', '.join(map(repr, self._arrays))}; add it to `networks` (for `combine`, to "
                "`opening_networks`)"
            )
        output = self._arrays[network.name]
        if isinstance(output, MetricUnavailable):
            raise output
        return output

    def of(self, networks: Iterable[Network]) -> Outputs:
        """Return the outputs of some of the networks alone."""
        return Outputs({network.name: self._arrays[network.name] for network in networks})

"""Networks as metrics use them: described cheaply, loaded when first needed, kept while they fit.

A network is anything costly that turns a clip into an array: a neural network, optical flow. Its
`key` names everything the array depends on besides the clip, so an array can be kept on disk.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import numpy as np

from eval.metric import Clip
from harness.core.errors import LongtakeError
from harness.core.machine import give_memory_back

Runner = Callable[[Clip], np.ndarray]
CPU_BUDGET_MIB = 1280


class Network(Protocol):
    """Describes a network without loading it.

    Attributes:
        name: unique.
        size_mib: memory it takes while loaded, about.
        reads_prompt: whether it looks at the clip's prompt instead of its frames.

    A network that takes much more memory while it runs says so by a method `work_mib(clip)`.
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
            MetricUnavailable: something is missing, with what belongs where.
        """

    def key(self, device: str) -> str:
        """Name, version of the code around it, digest of the weights, kind of device."""

    def load(self, device: str) -> Runner:
        """Load it.

        Raises:
            MetricUnavailable: the weights are not those of this network.
        """


class NetworkPool:
    """Loaded networks; the least recently used leave when a new one would not fit.

    Args:
        device: torch device of the networks that use torch.
        budget_mib: memory for loaded networks; None for `LONGTAKE_NETWORKS_MIB`, else 1.25 GiB on a
            CPU, where loading costs little beside running, and no limit on a GPU.
    """

    def __init__(self, device: str, budget_mib: int | None = None) -> None:
        self.device = device
        self._budget_mib = budget_mib or _budget_mib(device)
        self._loaded: OrderedDict[str, tuple[Runner, int]] = OrderedDict()
        self._failed: dict[str, Exception] = {}
        self.num_loads = 0

    def run(self, network: Network, clip: Clip) -> np.ndarray:
        """Run a network on a clip.

        Raises:
            MetricUnavailable: the network could not be loaded, now or before. So it is with any
                other error of loading.
        """
        runner = self._runner(network)
        work_mib = getattr(network, "work_mib", _no_work_mib)(clip)
        self._make_room(network, network.size_mib + work_mib)
        return runner(clip)

    def could_not_load(self, network: Network) -> bool:
        """Whether it was tried in vain."""
        return network.name in self._failed

    def _runner(self, network: Network) -> Runner:
        if network.name in self._failed:
            raise self._failed[network.name]
        if network.name in self._loaded:
            self._loaded.move_to_end(network.name)
            return self._loaded[network.name][0]
        self._make_room(network, 2 * network.size_mib)  # of the file and of the network
        try:
            runner = network.load(self.device)
        except Exception as error:
            self._failed[network.name] = error
            raise
        give_memory_back()  # what was read beside the weights
        self.num_loads += 1
        self._loaded[network.name] = (runner, network.size_mib)
        return runner

    def _make_room(self, network: Network, wanted_mib: int) -> None:
        """Let go of others, the least recently used first, until `wanted_mib` fit beside them."""
        others = {name: size for name, (_, size) in self._loaded.items() if name != network.name}
        while others and sum(others.values()) + wanted_mib > self._budget_mib:
            name = next(iter(others))
            del others[name], self._loaded[name]
            give_memory_back()


def _no_work_mib(clip: Clip) -> int:
    return 0


def _budget_mib(device: str) -> int:
    if asked := os.environ.get("LONGTAKE_NETWORKS_MIB"):
        if not asked.isdecimal() or int(asked) == 0:
            raise LongtakeError(
                f"LONGTAKE_NETWORKS_MIB is {asked!r}; expected a positive whole number."
            )
        return int(asked)
    return CPU_BUDGET_MIB if device == "cpu" else 2**40

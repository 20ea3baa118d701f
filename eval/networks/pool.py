"""Loaded networks, kept while they fit into a memory budget."""

from __future__ import annotations

import os
from collections import OrderedDict

import numpy as np

from eval.clip import Clip
from eval.network import Network, Runner
from eval.networks.foreign_warnings import kept_in_log
from harness.core.devices import ran_out_of_memory
from harness.core.errors import ConfigError
from harness.core.machine import give_memory_back

CPU_BUDGET_MIB = 1280


class NetworkPool:
    """Loaded networks; the least recently used are unloaded when a new one would not fit.

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

        If memory runs out, all other networks are unloaded, and it is tried once more.

        Raises:
            MetricUnavailable: the network could not be loaded. This and any other error of loading,
                except lack of memory, is raised again for later clips, without another attempt.
        """
        runner = self._runner(network)
        work_mib = getattr(network, "work_mib", _no_work_mib)(clip)
        self._make_room(network, network.size_mib + work_mib)
        with kept_in_log(network.name):
            try:
                return runner(clip)
            except Exception as error:
                if not ran_out_of_memory(error):
                    raise
            self._unload_all_but(network.name)
            return runner(clip)

    def could_not_load(self, network: Network) -> bool:
        """Return whether an earlier attempt to load this network failed."""
        return network.name in self._failed

    def _runner(self, network: Network) -> Runner:
        if network.name in self._failed:
            raise self._failed[network.name]
        if network.name in self._loaded:
            self._loaded.move_to_end(network.name)
            return self._loaded[network.name][0]
        # While it loads, the file's tensors and the network's own exist side by side.
        self._make_room(network, 2 * network.size_mib)
        with kept_in_log(network.name):
            try:
                runner = self._load(network)
            except Exception as error:
                if not ran_out_of_memory(error):  # that may pass
                    self._failed[network.name] = error
                raise
        give_memory_back()  # the file's tensors
        self.num_loads += 1
        self._loaded[network.name] = (runner, network.size_mib)
        return runner

    def _load(self, network: Network) -> Runner:
        try:
            return network.load(self.device)
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
        self._unload_all_but(network.name)
        return network.load(self.device)

    def _unload_all_but(self, kept: str) -> None:
        """Free what other networks hold, after memory ran out."""
        for name in [name for name in self._loaded if name != kept]:
            del self._loaded[name]
        give_memory_back()
        if self.device != "cpu":
            import torch

            torch.cuda.empty_cache()

    def _make_room(self, network: Network, wanted_mib: int) -> None:
        """Unload others, the least recently used first, until `wanted_mib` fit beside them."""
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
            raise ConfigError(
                f"LONGTAKE_NETWORKS_MIB is {asked!r}; expected a positive whole number."
            )
        return int(asked)
    return CPU_BUDGET_MIB if device == "cpu" else 2**40

"""Outputs of networks on the clips of one video: from the cache, or by running the network."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter

import numpy as np

from eval.errors import MetricFailed
from eval.metric import Clip, MetricUnavailable, Network, Outputs
from eval.networks.output_cache import OutputCache
from eval.networks.pool import NetworkPool
from eval.networks.weights import WeightsUnusable
from eval.scoring.metric_run import is_failure, reason_of


class NetworkRuns:
    """Runs networks on the clips of one video.

    Args:
        pool: loaded networks, which outlive the video.
        cache: outputs on disk.

    Attributes:
        seconds: time spent on each network, by name.
    """

    def __init__(self, pool: NetworkPool, cache: OutputCache) -> None:
        self.seconds: dict[str, float] = {}
        self._pool = pool
        self._cache = cache
        self._keys: dict[str, str] = {}
        self._unusable: set[str] = set()

    def output(self, network: Network, clip: Clip, sha256: str) -> np.ndarray | MetricUnavailable:
        """Return the output of a network on a clip, or the reason why there is none.

        Args:
            network: the network.
            clip: the clip.
            sha256: digest of the clip's frames.
        """
        started = perf_counter()
        try:
            output = None
            self._keys[network.name] = self._cache.key(network)
            # After a failed load cached outputs are not used either: the video would have gaps at
            # the clips that happen not to be in the cache.
            if network.name not in self._unusable:
                output = self._cache.get(network, clip, sha256)
            if output is None:
                output = self._pool.run(network, clip)
                self._cache.put(network, clip, sha256, output)
            return output
        except Exception as error:
            if isinstance(error, WeightsUnusable) or self._pool.could_not_load(network):
                self._unusable.add(network.name)
            elif is_failure(error):
                return MetricFailed(reason_of(error))
            return MetricUnavailable(reason_of(error))
        finally:
            spent_s = self.seconds.get(network.name, 0.0) + perf_counter() - started
            self.seconds[network.name] = spent_s

    def outputs(self, networks: Iterable[Network], clip: Clip, sha256: str) -> Outputs:
        """Return the outputs of several networks on a clip."""
        return Outputs({n.name: self.output(n, clip, sha256) for n in networks})

    def could_not_load(self, networks: Iterable[Network]) -> bool:
        """Return whether any of the networks failed to load for this video."""
        return any(network.name in self._unusable for network in networks)

    def keys(self) -> dict[str, str]:
        """Return the keys of the networks that ran or had outputs in the cache."""
        return {name: key for name, key in self._keys.items() if name not in self._unusable}

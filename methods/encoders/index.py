"""Exact search among the descriptors of one rollout: one matrix-vector product per query.

The index is one growing matrix on the device, so a search reads it once. At the size of the paper
(1024 values, some hundred frames) a search takes microseconds. At 100,000 frames (7 hours of video)
it is memory-bound and still a fraction of a block (docs/encoder.md), so the search is exact.

Letters: N frames in the index, D descriptor, C candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from methods.encoders.base import UNIT_TOLERANCE, check_descriptors


class Hits(NamedTuple):
    """Frames found, most similar first, and their cosines."""

    frames: tuple[int, ...]
    cosines: tuple[float, ...]


class DescriptorIndex:
    """Descriptors by latent frame, in order.

    Args:
        capacity: frames to allocate; a longer video costs a copy.
    """

    def __init__(self, capacity: int = 128) -> None:
        self._capacity = max(1, capacity)
        self._descriptors_ND: Tensor | None = None
        self._num_frames = 0

    def __len__(self) -> int:
        return self._num_frames

    def add(self, descriptors: Float[Tensor, "frame dim"]) -> None:
        """Append unit vectors of the next frames without waiting for the device."""
        end = self._num_frames + len(descriptors)
        if self._descriptors_ND is None:
            rows = max(self._capacity, end)
            self._descriptors_ND = descriptors.new_empty(rows, descriptors.shape[1])
            self._all_unit = torch.ones((), dtype=torch.bool, device=descriptors.device)
        elif end > len(self._descriptors_ND):
            grown = self._descriptors_ND.new_empty(2 * end, self._descriptors_ND.shape[1])
            grown[: self._num_frames] = self._descriptors_ND[: self._num_frames]
            self._descriptors_ND = grown
        self._descriptors_ND[self._num_frames : end] = descriptors
        # Kept on the device and read by `search`: a check here would wait for the encoder.
        lengths = descriptors.norm(dim=1)
        unit = ((lengths - 1).abs() <= UNIT_TOLERANCE) | (lengths == 0)
        self._all_unit &= unit.all()  # False for NaN as well
        self._num_frames = end

    def mean(self, start: int, stop: int) -> Float[Tensor, " dim"]:
        """Return the mean descriptor of the frames start..stop-1, normalised."""
        assert self._descriptors_ND is not None and start < stop <= self._num_frames
        return F.normalize(self._descriptors_ND[start:stop].mean(0), dim=-1)

    def similarities(
        self, query: Float[Tensor, " dim"], frames: Sequence[int]
    ) -> Float[Tensor, " frame"]:
        """Return the cosines of frames and a query, in float64."""
        assert self._descriptors_ND is not None
        return self._descriptors_ND[list(frames)].double() @ query.double()

    def search(self, query: Float[Tensor, " dim"], start: int, stop: int, count: int) -> Hits:
        """Find the `count` frames of start..stop-1 most similar to `query`, exactly.

        All candidates are returned if there are fewer than `count`. Equal cosines go to the older
        frame, on every device.

        Raises:
            LongtakeError: a descriptor that is not finite, or not of unit length.
        """
        assert 0 <= start <= stop <= self._num_frames
        count = min(count, stop - start)
        if count == 0:
            return Hits((), ())
        assert self._descriptors_ND is not None
        if not bool(self._all_unit):
            check_descriptors(self._descriptors_ND[: self._num_frames], "Retrieval")
        cosines_C = self._descriptors_ND[start:stop] @ query
        # topk picks any of equal values; the oldest of them is wanted.
        least = cosines_C.topk(count).values[-1]
        best = (cosines_C >= least).nonzero().flatten()
        values = cosines_C[best].cpu()
        order = values.argsort(descending=True, stable=True)[:count]
        frames = (best.cpu()[order] + start).tolist()
        return Hits(tuple(frames), tuple(values[order].tolist()))

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import LongtakeError
from harness.core.registry import PluginError
from methods.encoders.base import embed
from methods.encoders.index import DescriptorIndex


def filled(vectors: torch.Tensor, capacity: int = 4, chunk: int = 3) -> DescriptorIndex:
    index = DescriptorIndex(capacity)
    for start in range(0, len(vectors), chunk):
        index.add(vectors[start : start + chunk])
    return index


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.sampled_from([-1.0, -0.6, 0.0, 0.6, 1.0]), min_size=1, max_size=40),
    count=st.integers(0, 9),
    data=st.data(),
)
def test_search_is_an_exact_stable_sort(
    values: list[float], count: int, data: st.DataObject
) -> None:
    """Few distinct values, so that ties are everywhere; they go to the older frame."""
    index = filled(torch.tensor([[value, (1 - value**2) ** 0.5] for value in values]))
    start = data.draw(st.integers(0, len(values)))
    stop = data.draw(st.integers(start, len(values)))
    hits = index.search(torch.tensor([1.0, 0.0]), start, stop, count)
    expected = sorted(range(start, stop), key=lambda frame: -values[frame])[:count]
    assert list(hits.frames) == expected
    assert list(hits.cosines) == pytest.approx([values[frame] for frame in expected])


def test_a_hundred_thousand_frames_are_searched_exactly() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(100_000, 32, generator=generator), dim=1)
    index = filled(vectors, chunk=50_000)
    hits = index.search(vectors[4321], 0, 100_000, 6)
    exact = (vectors.double() @ vectors[4321].double()).argsort(descending=True)[:6]
    assert list(hits.frames) == exact.tolist()


def test_all_equal_similarities_and_too_few_candidates_are_defined() -> None:
    index = filled(torch.ones(10, 2) / 2**0.5)
    query = index.mean(7, 10)
    assert index.search(query, 2, 10, 3).frames == (2, 3, 4)
    assert index.search(query, 8, 10, 6).frames == (8, 9)
    assert index.search(query, 5, 5, 6) == ((), ())


def test_descriptors_that_are_not_finite_are_refused() -> None:
    index = filled(torch.ones(6, 2) / 2**0.5)
    index.add(torch.tensor([[float("nan"), 0.0]]))
    with pytest.raises(LongtakeError, match="latent frame 6 is not finite"):
        index.search(torch.ones(2), 0, 6, 3)


def test_descriptors_that_are_not_of_unit_length_are_refused_with_the_contract() -> None:
    index = filled(torch.ones(6, 2))
    with pytest.raises(PluginError, match=r"frame 0 has length 1\.414, but `embed` must return"):
        index.search(torch.ones(2), 0, 6, 3)


class _Returning:
    """An encoder that returns what it was given."""

    def __init__(self, output: object) -> None:
        self._output = output

    def embed(self, inputs: torch.Tensor) -> object:
        return self._output


@pytest.mark.parametrize(
    ("output", "named"),
    [
        (0.5, "it returned a float"),
        (None, "it returned a NoneType"),
        (np.ones((3, 4), np.float32), r"it returned a ndarray of shape \[3, 4\]"),
        (torch.ones(12), r"it returned a Tensor of shape \[12\]"),
        (torch.ones(2, 4), r"it returned a Tensor of shape \[2, 4\]"),
    ],
)
def test_anything_but_a_row_per_frame_is_refused_with_the_contract(
    output: object, named: str
) -> None:
    with pytest.raises(PluginError, match=rf"_Returning.embed must return a tensor .*{named}"):
        embed(_Returning(output), torch.zeros(3, 16, 8, 8))  # type: ignore[arg-type]


def test_similarities_are_those_of_the_search_also_after_later_frames() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(20, 8, generator=generator), dim=1)
    index = filled(vectors[:12])
    query = index.mean(10, 12)
    hits = index.search(query, 0, 9, 4)
    index.add(vectors[12:])
    similarities = index.similarities(query, hits.frames)
    assert similarities.tolist() == pytest.approx(hits.cosines, abs=1e-6)

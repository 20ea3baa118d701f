from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.core.sealed import write_sealed
from methods.encoders.corpus import Corpus, CorpusIndex, Sample

BACKBONE = "street@0123456789ab"


def write_corpus(
    folder: Path, num_samples: int = 4, num_latents: int = 40, size: int = 8
) -> Corpus:
    """A corpus of random walks of the channels, two samples a shard and a prompt each."""
    size = 8
    generator = torch.Generator().manual_seed(5)
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for start in range(0, num_samples, 2):
        shard = f"latents-{start // 2:05d}.safetensors"
        tensors = {}
        for position in range(start, min(start + 2, num_samples)):
            walk = torch.randn(num_latents, 16, 1, 1, generator=generator).cumsum(0)
            noise = torch.randn(num_latents, 16, size, size, generator=generator)
            tensors[f"{position:06d}"] = (walk + noise) / 3
            samples.append(
                Sample(
                    f"{position:06d}", shard, f"u{position}", "b", f"p{position}", 0, num_latents
                )
            )
        write_sealed(folder / shard, tensors, {})
    index = CorpusIndex((16, size, size), (BACKBONE,), tuple(samples))
    (folder / "index.json").write_text(index.text)
    return Corpus.load(folder)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_corpus(tmp_path_factory.mktemp("corpus"))

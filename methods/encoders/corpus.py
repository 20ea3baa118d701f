"""A corpus of clean latents on disk: sharded safetensors with an index.

```
<corpus>/index.json                    latent shape, backbones, one entry per sample
<corpus>/latents-00000.safetensors     tensors "000000", "000001", ... (frame, chan, height, width)
```

A sample is named by its global position, so the set is the same for any number of workers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import ConfigError, StoreError
from harness.core.files import read_bytes, write_text
from harness.core.sealed import open_sealed
from harness.core.typed_files import from_json, with_digest, without_digest

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

SCHEMA = 1
INDEX = "index.json"


@dataclass(frozen=True)
class Sample:
    """One video's latents.

    Attributes:
        name: global position in the corpus, six digits; also the name of the tensor.
        shard: name of the file that holds it.
        unit_id: the unit whose rollout it is.
        backbone: label of its backbone.
        prompt: generation prompt.
        seed: seed of its noise.
        num_latents: latent frames.
    """

    name: str
    shard: str
    unit_id: str
    backbone: str
    prompt: str
    seed: int
    num_latents: int

    def __post_init__(self) -> None:
        # It becomes part of a path, and a corpus may come from an untrusted source.
        if Path(self.shard).name != self.shard:
            raise ValueError(f"shard {self.shard!r} is not a file name")
        if self.num_latents < 1:
            raise ValueError(f"num_latents is {self.num_latents}")


@dataclass(frozen=True)
class CorpusIndex:
    """The content of index.json.

    Attributes:
        latent_shape: (channels, height, width) of every latent frame.
        backbones: fingerprints of the backbones that made the samples.
        samples: all samples in order.
    """

    latent_shape: tuple[int, int, int]
    backbones: tuple[str, ...]
    samples: tuple[Sample, ...]
    schema: int = SCHEMA

    @property
    def text(self) -> str:
        """The content of index.json, without its own digest."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def write(self, folder: Path) -> None:
        """Write index.json, with a digest of its content at the end."""
        write_text(folder / INDEX, with_digest(self.text))

    @property
    def sha256(self) -> str:
        """Hash of `text`: the identity of the corpus, known before its shards are written."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Corpus:
    """A corpus opened for reading; samples are read on demand, in part or whole.

    Attributes:
        folder: its folder.
        index: its table of contents.
        sha256: hash of the index, see `CorpusIndex.sha256`. It names every unit, so this identifies
            the content.
    """

    folder: Path
    index: CorpusIndex
    sha256: str
    _open: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, path: str | Path) -> Corpus:
        """Open a corpus: its folder, or the run store that holds it as `corpus/`.

        Raises:
            StoreError: there is no corpus, its index is unreadable, or shards are missing.
        """
        folder = Path(path)
        if not (folder / INDEX).is_file() and (folder / "corpus" / INDEX).is_file():
            folder = folder / "corpus"
        if not (folder / INDEX).is_file():
            raise ConfigError(
                f"corpus={path}: no {INDEX} there; make one with: python -m harness latents"
            )
        text = without_digest(read_bytes(folder / INDEX), str(folder / INDEX))
        index = from_json(text, CorpusIndex, str(folder / INDEX))
        if index.schema != SCHEMA:
            raise StoreError(f"{folder / INDEX}: schema {index.schema}, expected {SCHEMA}.")
        shards = {sample.shard for sample in index.samples}
        if gone := sorted(shard for shard in shards if not (folder / shard).is_file()):
            raise StoreError(
                f"{folder}: {gone[0]} is missing; run python -m harness latents again."
            )
        return cls(folder, index, hashlib.sha256(text).hexdigest())

    def __len__(self) -> int:
        return len(self.index.samples)

    def read(
        self, position: int, start: int = 0, stop: int | None = None
    ) -> Float[Tensor, "frame chan height width"]:
        """Read latent frames `start` to `stop` of one sample, float32.

        Raises:
            StoreError: the shard is damaged, or its frames have another shape than the index
                says.
        """
        from safetensors import SafetensorError

        sample = self.index.samples[position]
        path = self.folder / sample.shard
        try:
            if sample.shard not in self._open:
                self._open[sample.shard], _ = open_sealed(path)
            rows = self._open[sample.shard].get_slice(sample.name)
            shape = tuple(rows.get_shape())
            latents = rows[start : sample.num_latents if stop is None else stop]
        except (SafetensorError, OSError, StoreError) as error:
            reason = str(error).removeprefix(f"{path}: ").rstrip(".")
            raise StoreError(
                f"{path}: {reason}; run python -m harness latents to make it again."
            ) from error
        if shape != (sample.num_latents, *self.index.latent_shape):
            raise StoreError(
                f"{path}: sample {sample.name} has shape {shape}; the index says "
                f"{(sample.num_latents, *self.index.latent_shape)}."
            )
        return latents.float()

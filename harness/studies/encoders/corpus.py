"""Packs the latents of finished units into a corpus to train retrieval encoders on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from harness.core.errors import ConfigError, StoreError
from harness.core.files import remove_leftovers, replacing
from harness.core.sealed import open_sealed, write_sealed
from harness.core.typed_files import with_digest
from harness.store.run_store import RunStore
from harness.store.units import Unit, build_backbone
from methods.encoders.corpus import INDEX, Corpus, CorpusIndex, Sample

if TYPE_CHECKING:
    from torch import Tensor

SHARD_VIDEOS = 16


def plan_corpus(units: Sequence[Unit], shard_videos: int = SHARD_VIDEOS) -> CorpusIndex:
    """Return the index of the corpus that `units` will make, in their order.

    Args:
        units: the videos.
        shard_videos: videos per .safetensors file.

    Raises:
        ConfigError: backbones of different latent shapes, or the same unit twice.
    """
    if shard_videos < 1:
        raise ConfigError(f"shard_videos must be at least 1, got {shard_videos}.")
    if len({unit.id for unit in units}) < len(units):
        raise ConfigError("Two rows of the corpus make the same videos; name each once.")
    specs = {json.dumps([unit.family, unit.backbone_args], sort_keys=True): unit for unit in units}
    shapes: dict[tuple[int, int, int], str] = {}
    fingerprints: dict[str, None] = {}
    for unit in specs.values():
        spec = build_backbone(unit.family, unit.backbone_args).spec()
        shapes[spec.geometry.latent_shape] = unit.backbone
        fingerprints[_fingerprint(spec.name, unit)] = None
    if len(shapes) > 1:
        listing = ", ".join(f"{label} makes {shape}" for shape, label in shapes.items())
        raise ConfigError(f"A corpus contains latents of one shape, but {listing}.")
    samples = tuple(
        Sample(
            name=f"{position:06d}",
            shard=f"latents-{position // shard_videos:05d}.safetensors",
            unit_id=unit.id,
            backbone=unit.backbone,
            prompt=unit.prompt,
            seed=unit.seed,
            num_latents=unit.num_latents,
        )
        for position, unit in enumerate(units)
    )
    return CorpusIndex(next(iter(shapes)), tuple(fingerprints), samples)


def pack_corpus(
    index: CorpusIndex, store: RunStore, folder: Path, on_sample: Callable[[str], None]
) -> Corpus:
    """Write the shards that are missing, then the index.

    The same samples always give the same bytes.

    Args:
        index: the result of `plan_corpus`; all of its units must be finished.
        store: run store of the units.
        folder: folder of the corpus.
        on_sample: called with the name of each sample once its shard is written.

    Returns:
        The corpus, opened.

    Raises:
        StoreError: latents that are missing, damaged or not finite; names the video.
    """
    remove_leftovers(folder)
    path = folder / INDEX
    if path.is_file() and path.read_bytes() != with_digest(index.text).encode():
        path.unlink()  # index of an earlier corpus, whose shards are replaced next
    for shard in dict.fromkeys(sample.shard for sample in index.samples):
        samples = [sample for sample in index.samples if sample.shard == shard]
        contents = json.dumps([asdict(sample) for sample in samples])
        if _contents(folder / shard) != contents:
            tensors = {sample.name: _latents(store, sample) for sample in samples}
            with replacing(folder / shard) as temporary:
                write_sealed(temporary, tensors, {"samples": contents})
        for sample in samples:
            on_sample(sample.name)
    index.write(folder)
    return Corpus.load(folder)


def _fingerprint(name: str, unit: Unit) -> str:
    """Return the name of a backbone with a hash of its weights; sampling settings don't count."""
    weights = json.dumps(unit.identity["backbone"].get("weights_sha256"), sort_keys=True)
    return f"{name}@{hashlib.sha256(weights.encode()).hexdigest()[:12]}"


def _contents(path: Path) -> str | None:
    """Return the description of the samples in a shard; None if it is missing or damaged."""
    try:
        _, metadata = open_sealed(path)
    except (FileNotFoundError, StoreError):
        return None
    return metadata.get("samples")


def _latents(store: RunStore, sample: Sample) -> Tensor:
    damage: list[str] = []
    saved = store.saved_progress(sample.unit_id, damage.append)
    if saved is None or len(saved.latents) < sample.num_latents:
        folder = store.unit_dir(sample.unit_id)
        reason = "; ".join(damage) or f"{folder}/latents.safetensors is missing"
        raise StoreError(f"{reason}; delete {folder} and run the command again.")
    latents = saved.latents[: sample.num_latents].contiguous()
    finite = torch.isfinite(latents).flatten(1).all(1)
    if not finite.all():
        raise StoreError(
            f"Sample {sample.name} of the corpus ({sample.backbone}, {sample.prompt!r}, seed "
            f"{sample.seed}) is not finite from latent frame {int(finite.int().argmin())} on; "
            f"its video is in {store.unit_dir(sample.unit_id)}."
        )
    return latents

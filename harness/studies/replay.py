"""Replaying a recorded rollout: roll out its noise and compare with its latents.

The engine is checked against the public implementation this way. docs/replay.md describes the files
of a recording.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from backbones.engine.rollout import Rollout
from harness.core.errors import ConfigError
from harness.core.schema import build
from harness.core.untyped import json_object
from harness.store.units import build_backbone
from methods import METHODS
from methods.rag import Rag

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone
    from methods.base import MemoryStrategy

# Two implementations compute similarities near 1 in float32, whose steps there are 6e-8.
TIE_TOLERANCE = 1e-6
_DESCRIPTORS = {"ae": "autoencoder"}  # names of the public code that differ from ours
_ROPE = {"absolute": "absolute", "window_relative": "relative"}


@dataclass(frozen=True)
class RecordedNoise:
    """The noise of a recorded rollout.

    Attributes:
        noise: noise that the blocks start from.
        renoise: noise added after each denoising pass but the last.
    """

    noise: Float[Tensor, "frame chan height width"]
    renoise: Float[Tensor, "pass frame chan height width"]

    def draw(
        self, block: int, step: int, shape: tuple[int, int, int, int]
    ) -> Float[Tensor, "frame chan height width"]:
        """Return the noise of one denoising pass of a block; pass 0 starts from `noise`."""
        source = self.noise if step == 0 else self.renoise[step - 1]
        return source[block * shape[0] : (block + 1) * shape[0]]


@dataclass(frozen=True)
class ReplayResult:
    """Comparison of a replay with its recording.

    Attributes:
        relative_error: norm of the difference over norm of the recorded latents, whole rollout.
        num_blocks: blocks of the rollout.
        num_agreeing: blocks whose retrieved frames are the recorded ones, in order, or differ from
            them only within ties.
        num_tied: how many of those differ within ties: at each place the similarities to the query
            are at most `TIE_TOLERANCE` apart.
        first_disagreement: first latent frame of the first block whose retrieved frames differ;
            None if none does.
    """

    relative_error: float
    num_blocks: int
    num_agreeing: int
    num_tied: int
    first_disagreement: int | None

    def passes(self, rtol: float) -> bool:
        """Return True if the error is within `rtol` and every block retrieved what was recorded."""
        return self.relative_error <= rtol and self.num_agreeing == self.num_blocks


@dataclass(frozen=True)
class _Case:
    meta: dict[str, Any]
    memory_by_frame: dict[int, list[int]]
    noise: RecordedNoise
    latents_FCHW: Tensor


def replay(path: Path, on_block: Callable[[int, int], None]) -> ReplayResult:
    """Roll out a recording and compare.

    Args:
        path: the .safetensors file of the recording, with its .json file beside it.
        on_block: called with the number of blocks done and the number of all blocks.

    Raises:
        ConfigError: a missing or malformed file, or settings the engine does not support.
    """
    case = _read(path)
    backbone, strategy = _build(case.meta, path)
    num_latents = len(case.latents_FCHW)
    rollout = Rollout(backbone, strategy, case.meta["prompt"], case.noise, num_latents, seed=0)
    num_blocks = num_latents // backbone.spec.block_latents
    made: list[Tensor] = []
    differing: list[int] = []
    num_tied = 0
    for block in rollout.blocks():
        made.append(block.latents)
        recorded = case.memory_by_frame.get(block.first_frame, [])
        retrieved = list(block.plan.memory_frames())
        if retrieved != recorded:
            if _tied(strategy, block.first_frame, retrieved, recorded):
                num_tied += 1
            else:
                differing.append(block.first_frame)
        on_block(len(made), num_blocks)
    error = torch.linalg.norm(torch.cat(made) - case.latents_FCHW)
    relative = float(error / torch.linalg.norm(case.latents_FCHW))
    first = differing[0] if differing else None
    return ReplayResult(relative, num_blocks, num_blocks - len(differing), num_tied, first)


def _tied(
    strategy: MemoryStrategy, first_frame: int, retrieved: list[int], recorded: list[int]
) -> bool:
    return isinstance(strategy, Rag) and strategy.tied(
        first_frame, retrieved, recorded, TIE_TOLERANCE
    )


def _read(path: Path) -> _Case:
    try:
        tensors = load_file(path)
        settings = path.with_suffix(".json")
        content = json_object(settings.read_bytes(), str(settings))
        memory = {
            int(entry["query_frame"]): [int(f) for f in entry["selected_global_frames"][0]]
            for entry in content["retrieval"]
        }
        noise = RecordedNoise(tensors["noise"][0], tensors["renoise"][:, 0])
        meta = {"num_frame_per_block": 3, **content["meta"]}
        if lacking := {"backbone", "prompt", "denoising_step_list"} - meta.keys():
            raise KeyError(", ".join(sorted(lacking)))
        case = _Case(meta, memory, noise, tensors["latents"][0])
    except (OSError, SafetensorError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ConfigError(
            f"{path} and the .json beside it are not a recorded rollout (docs/replay.md): "
            f"{type(error).__name__} {error}"
        ) from error
    steps, block = case.meta["denoising_step_list"], case.meta["num_frame_per_block"]
    num_latents = len(case.latents_FCHW)
    fits = case.noise.noise.shape == case.latents_FCHW.shape and num_latents % block == 0
    if not fits or case.noise.renoise.shape != (len(steps) - 1, *case.latents_FCHW.shape):
        raise ConfigError(
            f"{path.name}: noise {tuple(case.noise.noise.shape)}, renoise "
            f"{tuple(case.noise.renoise.shape)} and latents {tuple(case.latents_FCHW.shape)} "
            f"don't match for {len(steps)} denoising steps and blocks of {block}."
        )
    return case


def _build(meta: dict[str, Any], path: Path) -> tuple[Backbone, MemoryStrategy]:
    try:
        backbone_args = {
            "weights": meta["weights"],
            "denoising_step_list": meta["denoising_step_list"],
            "timestep_shift": meta["timestep_shift"],
            "budget_latents": meta["local_attn_size"],
            "precision": meta["dtype"],
        }
        if meta["memory_size"] == 0:
            name = "sliding_window"
            args = {"rope": _ROPE[meta["rope"]], "sink_latents": meta["sink_size"]}
        else:
            descriptor = _DESCRIPTORS.get(meta["descriptor"], meta["descriptor"])
            checkpoint = path.with_name(f"{path.stem}_ae.safetensors")
            name = "rag"
            args = {
                "sink_latents": meta["sink_size"],
                "memory_latents": meta["memory_size"],
                "recent_exclude_latents": meta["recent_exclude"],
                "descriptor": descriptor,
                "checkpoint": str(checkpoint) if descriptor == "autoencoder" else None,
            }
            if meta["rope"] != "window_relative":
                raise ConfigError(
                    f"{path.stem}: retrieval with rope={meta['rope']!r} is not supported."
                )
    except KeyError as error:
        raise ConfigError(f"{path.stem}.json: unknown or missing setting {error}.") from error
    backbone = build_backbone(meta["backbone"], backbone_args).load(
        torch.device("cpu"), [meta["prompt"]]
    )
    return backbone, build(METHODS.load(name), args, "method")

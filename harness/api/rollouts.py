"""Rollouts block by block, without a run store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone
    from backbones.engine.block import Block
    from harness.config.sweep import Component
    from methods.base import MemoryStrategy


def load_backbone(
    name: str, *, prompts: Sequence[str] = (), device: str = "auto", **arguments: Any
) -> Backbone:
    """Load the models of a backbone.

    Args:
        name: what `backbone=` takes: a preset, a registered name, or "module:Class".
        prompts: every prompt that will be rolled out. A large text encoder encodes them now and is
            freed before the transformer is loaded; the embedded backbones need none.
        device: auto, cpu, cuda or cuda:N.
        arguments: arguments of the backbone, for example `denoising_step_list=[1000, 400]`.

    Returns:
        The loaded models. `spec` describes them; `start_decoder().decode(latents)` turns latent
        frames, block by block, into RGB frames of type uint8 and shape (frame, height, width, 3).

    Raises:
        UnknownName: an unknown backbone or argument; names the nearest.
        ConfigError: an argument or a prompt that the backbone refuses.
        MissingWeights: a weights file that is not there, with the command that fetches it.
        DeviceError: no such device.
    """
    from harness.core.devices import pick_device
    from harness.store.units import build_backbone

    component = _component("backbone", name, arguments)
    source = build_backbone(component.target, component.args)
    for prompt in prompts:
        source.check_prompt(prompt)
    return source.load(pick_device(device), prompts)


def load_method(name: str, **arguments: Any) -> MemoryStrategy:
    """Build a memory strategy.

    Args:
        name: what `method=` takes: a preset, a registered name, or "module:Class".
        arguments: arguments of the strategy, for example `layout="aged"`.

    Raises:
        UnknownName: an unknown strategy or argument; names the nearest.
        ConfigError: a value of the wrong type.
    """
    from harness.core.schema import build
    from methods import METHODS

    component = _component("method", name, arguments)
    strategy: MemoryStrategy = build(METHODS.load(component.target), component.args, "method")
    return strategy


def rollout(
    backbone: Backbone,
    prompt: str,
    method: str | MemoryStrategy = "sliding_window",
    *,
    duration: float = 30.0,
    seed: int = 0,
) -> Iterator[Block]:
    """Roll out one video block by block, with the noise and the bits of a sweep.

    Args:
        backbone: models from `load_backbone`.
        prompt: generation prompt.
        method: name of a strategy, or the strategy itself; its state is reset.
        duration: seconds, a whole number of blocks.
        seed: seed of all noise.

    Returns:
        An iterator that makes the next block when asked for it. A block has `latents` (clean,
        float32, shape (frame, channel, height, width), on the device), `plan` (the past latent
        frames its attention saw, and their positions) and `timings()` in seconds.

    Raises:
        ConfigError: a duration that is not a whole number of blocks, or a prompt that the backbone
            refuses.
        PlanError: while iterating, a plan that cannot be carried out.
        DeviceError: keys and values that memory does not hold.
    """
    from backbones.engine.noise import SeededNoise
    from backbones.engine.rollout import Rollout

    strategy = load_method(method) if isinstance(method, str) else method
    num_latents = backbone.spec.num_latents(duration)
    noise = SeededNoise(seed, prompt)
    return Rollout(backbone, strategy, prompt, noise, num_latents, seed).blocks()


def _component(group: str, name: str, arguments: dict[str, Any]) -> Component:
    from harness.config.overrides import to_overrides
    from harness.config.sweep import load_component

    given = {group: name, **{f"{group}.{key}": value for key, value in arguments.items()}}
    return load_component(group, to_overrides(given))

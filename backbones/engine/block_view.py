"""Prompts, keys and decoded frames of a block for the strategies that ask for them.

Letters: L layer, P key or value, H head, S token of a block, F latent frame, D head channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from backbones.engine.evidence import attention_mass, recorded_queries
from backbones.engine.transfer import upload
from harness.core.errors import PlanError
from harness.core.machine import one_thread
from methods.base import Pass, PromptSegment

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone, StreamingDecoder
    from backbones.engine.protocol import AttentionContext
    from backbones.engine.script import Schedule


class RolloutView:
    """The block that a rollout observes or plans; fulfils BlockView of the methods.

    Everything is computed when it is asked for.

    Args:
        backbone: the models; the view starts its own decoder at the first call of `frames`.
        schedule: the prompts.
    """

    def __init__(self, backbone: Backbone, schedule: Schedule) -> None:
        self._backbone = backbone
        self._schedule = schedule
        self._first_frame = 0
        self._origin = 0
        self._decoder: StreamingDecoder | None = None
        self._num_shown = 0
        self._num_decoded = 0
        self._text_keys: dict[int, Tensor] = {}

    def move_to(self, first_frame: int, origin: int) -> None:
        """Go to a block.

        Args:
            first_frame: its first latent frame in the video.
            origin: the latent frame of the video that the strategy knows as frame 0.
        """
        self._first_frame, self._origin = first_frame, origin

    def segment(self) -> PromptSegment:
        """Return the segment of the block that is observed or planned."""
        return self._segment(self._schedule.index(self._first_frame))

    def next_segment(self) -> PromptSegment | None:
        """Return the segment after `segment`; None for the last one of the script."""
        index = self._schedule.index(self._first_frame) + 1
        return self._segment(index) if index < len(self._schedule.starts) else None

    def mean_text_keys(self) -> Float[Tensor, "layer chan"]:
        """Return the keys of the prompt of `segment` in cross-attention, as a mean of its tokens.

        Raises:
            PlanError: the model has no keys of prompts.
        """
        index, transformer = self._schedule.index(self._first_frame), self._backbone.transformer
        if index not in self._text_keys:
            text_keys = getattr(transformer, "text_keys", None)
            if text_keys is None:
                raise PlanError("The strategy asks for keys of the prompt; this model has none.")
            text = upload(self._segment(index).text, self._backbone.device)
            with torch.inference_mode(), one_thread():
                context = transformer.text_context(text.to(self._backbone.spec.precision.dtype))
                self._text_keys[index] = text_keys(context)
        return self._text_keys[index]

    def _segment(self, index: int) -> PromptSegment:
        prompt = self._schedule.prompts[index]
        return PromptSegment(
            first_frame=self._schedule.starts[index] - self._origin,
            seconds=self._schedule.seconds[index],
            prompt=prompt,
            text=self._backbone.encode_text(prompt),
        )

    def show(
        self,
        latents: Tensor,
        new_kv_LPHSD: Tensor,
        context: AttentionContext,
        first_mass: Tensor | None,
    ) -> None:
        """Show the block whose clean pass just ended.

        Args:
            latents: the block.
            new_kv_LPHSD: keys and values that the pass wrote.
            context: of the pass.
            first_mass: attention mass of the first denoising pass, if it was asked for.
        """
        self._latents, self._new_kv_LPHSD = latents, new_kv_LPHSD
        self._context, self._first_mass = context, first_mass
        self._num_shown += len(latents)

    def mean_keys(self) -> Float[Tensor, "frame layer chan"]:
        """Return the un-rotated keys of the clean pass, averaged over a frame's tokens."""
        return self._by_frame(self._new_kv_LPHSD[:, 0])

    def mean_queries(self) -> Float[Tensor, "frame layer chan"]:
        """Return the un-rotated queries of the clean pass, averaged over a frame's tokens."""
        return self._by_frame(recorded_queries(self._context))

    def attention_mass(self, taken: Pass) -> Float[Tensor, "layer head context"]:
        """Return the share of attention on each context frame, in the first or the clean pass."""
        if taken is Pass.clean:
            return attention_mass(self._context, self._backbone.spec.shape)
        assert self._first_mass is not None, "Pass.first is not in the strategy's `evidence`"
        return self._first_mass

    def _by_frame(self, x_LHSD: Tensor) -> Tensor:
        x_LHFD = x_LHSD.float().unflatten(2, (len(self._latents), -1)).mean(3)
        return x_LHFD.permute(2, 0, 1, 3).flatten(2)

    def frames(self) -> UInt8[Tensor, "frame height width 3"]:
        """Return the last video frame of each latent frame; decodes the block."""
        first = self._num_shown - len(self._latents)
        assert self._num_decoded == first, "the decoder streams: ask for every block, once"
        if self._decoder is None:
            self._decoder = self._backbone.start_decoder()
        video = self._decoder.decode(self._latents)
        self._num_decoded = self._num_shown
        factor = self._backbone.spec.geometry.temporal_factor
        return torch.as_tensor(video[(len(video) - 1) % factor :: factor])

"""The rollout engine: for every block gather, denoise, clean pass, and the plan of the next block.

One plan serves all passes of a block. Between blocks the clean latents made so far are the whole
state of a rollout: replaying them through clean passes rebuilds keys, values and the strategy's
memory bit for bit. That is how an interrupted unit is resumed.

On a GPU the host only queues work. It waits once a block, for the strategy's choice of frames. The
clean pass has been queued by then, so encoding, search and the fetch of retrieved frames run beside
it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from backbones.engine.attention import using
from backbones.engine.block import Block
from backbones.engine.block_view import RolloutView
from backbones.engine.evidence import attention_mass
from backbones.engine.graphs import GraphedPasses
from backbones.engine.kernel_choice import AttentionShape, pick_kernel
from backbones.engine.kv.sizes import most_kept, plan_tiers
from backbones.engine.kv.store import KVStore
from backbones.engine.lanes import Lane, Moment
from backbones.engine.prefix import load_prefix
from backbones.engine.protocol import BlockPass
from backbones.engine.runtime import Runtime
from backbones.engine.script import Script, Switch
from backbones.engine.timings import BlockMoments
from backbones.engine.together import Asked, Place, Steps, finish, without_gradients
from backbones.engine.transfer import upload
from harness.core.devices import free_device_bytes
from harness.core.machine import one_thread
from methods.base import Pass, SeesModel, checked_plan, evidence_of, reachable
from methods.ties import ties

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone
    from backbones.engine.noise import NoiseSource
    from backbones.engine.protocol import AttentionContext, TimeContext
    from methods.base import ContextPlan, MemoryStrategy


class Rollout:
    """The rollout of one video.

    Args:
        backbone: the loaded models.
        strategy: chooses the context of every block.
        prompt: generation prompt, or a script of several.
        noise: source of all noise.
        num_latents: latent frames to make, a whole number of blocks.
        seed: seed of the unit, passed on to the strategy.
        runtime: settings of the computation.
        place: its part of the device, if others run beside it.

    Raises:
        LongtakeError: the strategy refuses the rollout, its memory doesn't fit, or a segment of the
            script is too short.
    """

    def __init__(
        self,
        backbone: Backbone,
        strategy: MemoryStrategy,
        prompt: Script | str,
        noise: NoiseSource,
        num_latents: int,
        seed: int,
        runtime: Runtime | None = None,
        place: Place | None = None,
    ) -> None:
        spec, transformer, shape = backbone.spec, backbone.transformer, backbone.spec.shape
        assert num_latents % spec.block_latents == 0
        kernels = (runtime := runtime or Runtime()).kernels
        self._backbone = backbone
        self._strategy = strategy
        self._noise = noise
        self._num_latents = num_latents
        self._schedule = spec.schedule(prompt)
        self._has_script = isinstance(prompt, Script)
        prefix = load_prefix(prompt, backbone, num_latents) if isinstance(prompt, Script) else None
        self._prefix = torch.empty(0, *spec.geometry.latent_shape) if prefix is None else prefix
        parts = spec.rollouts(prompt, num_latents, seed)
        self._parts = {part.start_latent: part for part in parts}
        self._spec = parts[0]
        self._device, self._dtype = backbone.device, spec.precision.dtype
        kept = most_kept(strategy, parts)
        self._view: RolloutView | None = None
        self._evidence = evidence_of(strategy)
        self._observes_late = False
        if isinstance(strategy, SeesModel):
            self._view = RolloutView(backbone, self._schedule)
            self._observes_late = strategy.needs_model or bool(self._evidence)
            strategy.attach(self._view)
        free_bytes = place.free_bytes if place else free_device_bytes(self._device)
        limits = place.limits if place else runtime.kv
        host = place.host if place else None
        sizes = plan_tiers(spec, kept, limits, self._device, free_bytes, host)
        compiled = compiles(runtime, self._device)
        self.store = KVStore(
            shape,
            self._spec,
            self._dtype,
            self._device,
            sizes,
            compiled,
            kept.slots,
            bool(self._evidence),
            place.gathered_PLHKD if place else None,
        )
        self._runtime = runtime
        self._compiled = compiled
        self._kernel = pick_kernel(
            kernels.attention,
            AttentionShape(
                heads=shape.heads,
                queries=spec.block_latents * shape.tokens_per_latent,
                keys=spec.budget_latents * shape.tokens_per_latent,
                head_dim=shape.head_dim,
                dtype=self._dtype,
            ),
            self._device,
        )
        backbone.compile(compiled)
        self._pass: Callable[..., Tensor] = transformer
        if kernels.cuda_graphs:
            self._pass = GraphedPasses(transformer, self._device)
        self._search = Lane(self._device, "search")
        # Products with the few tokens of a prompt are the only ones whose bits depend on the number
        # of threads; with one thread for them, no video does.
        self._take_up(self._schedule.prompts[0])
        with torch.inference_mode(), one_thread(), using(self._kernel):
            self._times = [transformer.time_context(1000 * s) for s in spec.sampling.sigmas]
            self._clean_time = transformer.time_context(float(spec.sampling.context_noise))
        # What `recache` needs: the blocks that hold the newest frames a full context has room for.
        window_blocks = -(-self._spec.past_latents // spec.block_latents)
        recaches = self._schedule.switch is Switch.recache
        self._window: deque[Block] = deque(maxlen=window_blocks if recaches else 0)
        self._made = self._prefix[:0]
        self._next: tuple[int, ContextPlan] | None = None  # first frame of a block, and its plan
        self._saved_plans: Sequence[ContextPlan] = ()
        self._kept_plans: set[int] = set()  # blocks

    def blocks(
        self,
        made: Float[Tensor, "frame chan height width"] | None = None,
        plans: Sequence[ContextPlan] = (),
    ) -> Iterator[Block]:
        """Make the video block by block; may be called once.

        Args:
            made: clean latents of the first blocks, from an earlier run; they are replayed instead
                of denoised.
            plans: contexts that these were made with. A block keeps its own if the strategy's ties
                with it, as on another device.

        Raises:
            PlanError: a plan of the strategy can't be carried out.
        """
        try:
            self.begin(made, plans)
            while block := finish(self.next_block()):
                yield block
        finally:
            self.store.close()

    def begin(
        self,
        made: Float[Tensor, "frame chan height width"] | None = None,
        plans: Sequence[ContextPlan] = (),
    ) -> None:
        """Plan the first block, before the first call of `next_block`; arguments as of `blocks`.

        Raises:
            PlanError: see `blocks`.
        """
        assert made is None or len(made) % self._spec.block_latents == 0
        self._made = self._prefix[:0] if made is None else made
        self._saved_plans = plans
        self._next = 0, self._plan(0)

    def next_block(self) -> Steps[Block | None]:
        """Make the next block, asking for its passes; None after the last one.

        The caller closes `store` in the end.
        """
        assert self._next is not None, "`begin` first"
        first_frame, plan = self._next
        if first_frame >= self._num_latents:
            return None
        span, given = slice(first_frame, first_frame + self._spec.block_latents), None
        replayed = first_frame < len(self._made)
        if replayed:
            given = self._made[span]
        elif first_frame < len(self._prefix):
            given = self._prefix[span]
        steps = self._make_block(first_frame, plan, given, replayed)
        block, plan = yield from without_gradients(steps)
        self._next = span.stop, plan
        return block

    def describe_kernels(self) -> dict[str, Any]:
        """Return the kernels in use, for the record."""
        return {
            "attention": str(self._kernel),
            "compiled": self._compiled,
            "cuda_graphs": self._runtime.kernels.cuda_graphs,
            "deterministic": self._runtime.deterministic,
        }

    def _take_up(self, prompt: str) -> None:
        """Make the passes see another prompt from now on."""
        with torch.inference_mode(), one_thread(), using(self._kernel):
            text = upload(self._backbone.encode_text(prompt), self._device).to(self._dtype)
            self._text = self._backbone.transformer.text_context(text)

    def _plan(self, first_frame: int) -> ContextPlan:
        """Return the plan of a block, its frames counted from the start of the video.

        A strategy counts frames from the latest flush, where it starts over.
        """
        if self._schedule.restarts_at(first_frame):
            self._spec = self._parts[first_frame]
            self._strategy.reset(self._spec)
            self.store.forget_slots()
            if self._view is not None and isinstance(self._strategy, SeesModel):
                self._strategy.attach(self._view)
        origin = self._spec.start_latent
        if self._view is not None:
            self._view.move_to(first_frame, origin)
        start = first_frame - origin
        plan = checked_plan(self._strategy.plan(start), self._strategy, start, self._spec)
        plan, index = plan.shifted(origin), first_frame // self._spec.block_latents
        if index < len(self._saved_plans):
            saved = self._saved_plans[index]
            kept = {frame + origin for frame in reachable(self._strategy, start)}
            if ties(saved, plan) and kept.issuperset(saved.past_frames()):
                self._kept_plans |= {index} if saved.frames != plan.frames else set()
                plan = saved
        return plan

    def _switch(self, first_frame: int, plan: ContextPlan) -> Steps[None]:
        """Take up the prompt of the segment that begins with a block, whose plan is given."""
        self._take_up(self._schedule.prompts[self._schedule.index(first_frame)])
        for block in self._window:
            # The same clean pass as when the block was made, under the new prompt. Frames of its
            # context that the strategy has given up since are missing.
            context_plan = block.plan.only(self.store.holds)
            self.store.bring_up(context_plan)
            self.store.arrive()
            context = self.store.gather(context_plan)
            yield self._asked(block.latents, self._clean_time, context, self.store.new_kv_LPHSD)
            self.store.replace_block(block.first_frame)
        if self._window:
            # The passes may have taken the place of frames that had been fetched for this block.
            self.store.bring_up(plan)
            self.store.arrive()

    def _make_block(
        self, first_frame: int, plan: ContextPlan, given: Tensor | None, replayed: bool
    ) -> Steps[tuple[Block, ContextPlan]]:
        """Make or replay one block; return it and the plan of the next one."""
        index = first_frame // self._spec.block_latents
        next_frame = first_frame + self._spec.block_latents
        began = Moment(self._device)
        self.store.arrive()
        arrived = Moment(self._device)
        fetch = self.store.fetch_span()
        if self._schedule.switches_at(first_frame):
            yield from self._switch(first_frame, plan)
        switched = Moment(self._device)
        self.store.write(plan)
        context = self.store.gather(plan)
        gathered = Moment(self._device)
        first_mass = None
        if Pass.first in self._evidence:
            first_mass = yield from self._first_mass(index, context)
        if given is None:
            latents = yield from self._denoise(index, context)
        else:
            latents = self._uploaded(given)
        denoised = Moment(self._device)
        # Latents can be encoded beside the clean pass. A strategy that wants keys must wait for it,
        # because the clean pass computes them.
        encoded = None if self._observes_late else self._observe(latents, first_frame)
        clean_began = Moment(self._device)
        if Pass.clean in self._evidence:
            context = self.store.recording(context)
        yield self._asked(latents, self._clean_time, context, self.store.new_kv_LPHSD)
        clean_ended = Moment(self._device)
        if encoded is None:
            if self._view is not None:
                self._view.show(latents, self.store.new_kv_LPHSD, context, first_mass)
            encoded = self._observe(latents, first_frame)
            self._search.join()  # the next clean pass overwrites the keys that were just read
        encode_began, encode_ended = encoded
        search_began = search_ended = clean_ended
        next_plan = plan
        if next_frame < self._num_latents:
            with self._search.entered(after=encode_ended):
                search_began = Moment(self._device)
                next_plan = self._plan(next_frame)
                search_ended = Moment(self._device)
        # Dropping first frees slabs for the frames that are brought up and for those of this block.
        # Frames are brought up before this block's own are stored: the copies then run on a GPU
        # beside the clean pass, which is still queued.
        origin = self._spec.start_latent
        kept = reachable(self._strategy, next_frame - origin)
        self.store.drop_all_but(frame + origin for frame in kept)
        if next_frame < self._num_latents:
            self.store.bring_up(next_plan)
        append_began = Moment(self._device)
        self.store.append_block(first_frame)
        moments = BlockMoments(
            whole=(began, Moment(self._device)),
            wait=(began, arrived),
            fetch=fetch,
            switch=(arrived, switched),
            gather=(switched, gathered),
            denoise=(gathered, denoised),
            encode=(encode_began, encode_ended),
            clean_pass=(clean_began, clean_ended),
            search=(search_began, search_ended),
            append=(append_began, Moment(self._device)),
        )
        segment = self._schedule.index(first_frame) if self._has_script else None
        is_given = first_frame < len(self._prefix)
        marks = (replayed, is_given, segment, index in self._kept_plans)
        block = Block(index, first_frame, latents, plan, moments, *marks)
        self._window.append(block)
        return block, next_plan

    def _observe(self, latents: Tensor, first_frame: int) -> tuple[Moment, Moment]:
        """Let the strategy encode a clean block; return the start and end of that."""
        with self._search.entered():
            self._search.borrow(latents)
            origin = self._spec.start_latent
            if self._view is not None:
                self._view.move_to(first_frame, origin)
            began = Moment(self._device)
            self._strategy.observe(latents, first_frame - origin)
            return began, Moment(self._device)

    def _denoise(self, index: int, context: AttentionContext) -> Steps[Tensor]:
        """Return the clean latents of a block, from noise."""
        shape = (self._spec.block_latents, *self._spec.latent_shape)
        latents = self._uploaded(self._noise.draw(index, 0, shape))
        sigmas = self._backbone.spec.sampling.sigmas
        for step, (sigma, time) in enumerate(zip(sigmas, self._times, strict=True)):
            if step > 0:
                noise = self._uploaded(self._noise.draw(index, step, shape))
                latents = (1 - sigma) * latents + sigma * noise
            # The flow is noise minus clean latents, so this is the estimate of the clean latents.
            flow = yield self._asked(latents, time, context)
            latents = latents - sigma * flow.float()
        return latents

    def _first_mass(self, index: int, context: AttentionContext) -> Steps[Tensor]:
        """Return the attention mass of the first denoising pass of a block.

        The pass runs once more for it, of a replayed block too, so both see the same bits.
        """
        shape = (self._spec.block_latents, *self._spec.latent_shape)
        recording = self.store.recording(context)
        noise = self._uploaded(self._noise.draw(index, 0, shape))
        yield self._asked(noise, self._times[0], recording)
        return attention_mass(recording, self._backbone.spec.shape)

    def _asked(
        self,
        latents: Tensor,
        time: TimeContext,
        context: AttentionContext,
        new_kv_LPHSD: Tensor | None = None,
    ) -> Asked:
        latents = latents.to(self._dtype)
        arguments = BlockPass(latents, time, context, self._text, new_kv_LPHSD)
        return Asked(self._pass, self._kernel, arguments)

    def _uploaded(self, tensor: Tensor) -> Tensor:
        return upload(tensor, self._device)


def compiles(runtime: Runtime, device: torch.device) -> bool:
    """Return whether to compile layers: as the setting says, else on a GPU only."""
    asked = runtime.kernels.compile
    return device.type == "cuda" if asked is None else asked

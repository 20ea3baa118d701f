"""Queries and attention mass that a strategy may ask for are those of the passes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from backbones.engine.backbone import Backbone
from backbones.engine.evidence import attention_mass
from backbones.engine.kv.store import KVStore
from backbones.engine.noise import SeededNoise
from backbones.engine.protocol import AttentionContext
from backbones.engine.rollout import Rollout
from backbones.engine.script import Script, Segment
from backbones.wan.transformer import CausalWanTransformer
from harness.core.errors import PlanError
from methods.base import BlockView, ContextPlan, Pass, RolloutSpec
from methods.published.deep_forcing import DeepForcing
from methods.published.memflow import MemFlow
from methods.published.tethercache import TetherCache
from methods.sliding_window import SlidingWindow
from tests.small import small_backbone

PROMPT = "dusk grassy four walking"


@dataclass
class Watcher(SlidingWindow):
    """A sliding window that keeps all evidence."""

    needs_model = True
    evidence: tuple[Pass, ...] = (Pass.clean, Pass.first)
    masses: dict[Pass, list[Tensor]] = field(default_factory=lambda: {p: [] for p in Pass})
    queries: list[Tensor] = field(default_factory=list)

    def reset(self, rollout: RolloutSpec) -> None:
        super().reset(rollout)
        self.masses, self.queries = {p: [] for p in Pass}, []

    def attach(self, view: BlockView) -> None:
        self.view = view

    def observe(self, latents: Tensor, first_frame: int) -> None:
        for taken in self.evidence:
            self.masses[taken].append(self.view.attention_mass(taken))
        if Pass.clean in self.evidence:
            self.queries.append(self.view.mean_queries())


@pytest.fixture(scope="module")
def quick() -> Backbone:
    return small_backbone(1000)


def roll_out(backbone: Backbone, strategy: SlidingWindow, made: Tensor | None = None) -> Tensor:
    rollout = Rollout(backbone, strategy, PROMPT, SeededNoise(0, PROMPT), 15, 0)
    return torch.cat([block.latents for block in rollout.blocks(made)])


@pytest.mark.slow
def test_evidence_describes_every_block_and_changes_no_video(quick: Backbone) -> None:
    watcher = Watcher()
    latents = roll_out(quick, watcher)
    assert torch.equal(latents, roll_out(quick, SlidingWindow()))
    shape = quick.spec.shape
    for taken in Pass:
        masses = watcher.masses[taken]
        assert [mass.shape[2] for mass in masses] == [3, 6, 9, 12, 12]
        for mass in masses:
            assert mass.shape[:2] == (shape.layers, shape.heads)
            torch.testing.assert_close(mass.sum(2), torch.ones_like(mass[..., 0]))
    assert not torch.equal(watcher.masses[Pass.first][4], watcher.masses[Pass.clean][4])
    assert torch.cat(watcher.queries).shape == (15, shape.layers, shape.heads * shape.head_dim)


@pytest.mark.slow
@pytest.mark.parametrize("num_made", [6, 15])
def test_a_replayed_block_gives_the_same_evidence(quick: Backbone, num_made: int) -> None:
    watcher, again = Watcher(), Watcher()
    latents = roll_out(quick, watcher)
    assert torch.equal(roll_out(quick, again, latents[:num_made]), latents)
    for taken in Pass:
        pairs = zip(watcher.masses[taken], again.masses[taken], strict=True)
        assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.slow
def test_keys_of_the_prompt_are_those_of_the_segment(quick: Backbone) -> None:
    other = "noon grassy four returning"
    seen: list[Tensor] = []

    class Reader(Watcher):
        evidence = ()

        def plan(self, first_frame: int) -> ContextPlan:
            seen.append(self.view.mean_text_keys())
            return super().plan(first_frame)

    script = Script((Segment(1.5, PROMPT), Segment(9, other)))
    list(Rollout(quick, Reader(), script, SeededNoise(0, PROMPT), 12, 0).blocks())
    assert [torch.equal(keys, seen[0]) for keys in seen] == [True, True, False, False]
    text = quick.transformer.text_context(quick.encode_text(other))
    expected = torch.stack([keys_HTD.mean(1).flatten() for keys_HTD in text.keys_HTD])
    torch.testing.assert_close(seen[2], expected)
    assert seen[2].shape == (2, quick.spec.shape.heads * quick.spec.shape.head_dim)


@pytest.mark.slow
def test_a_model_without_keys_of_the_prompt_is_named(
    quick: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(CausalWanTransformer, "text_keys")
    with pytest.raises(PlanError, match="asks for keys of the prompt"):
        list(Rollout(quick, MemFlow(), PROMPT, SeededNoise(0, PROMPT), 9, 0).blocks())


@pytest.mark.slow
@pytest.mark.parametrize("kind", [DeepForcing, MemFlow, TetherCache])
def test_methods_that_ask_for_evidence_are_replayed(quick: Backbone, kind: type) -> None:
    def made(num_latents: int, given: Tensor | None = None) -> Tensor:
        rollout = Rollout(quick, kind(), PROMPT, SeededNoise(0, PROMPT), num_latents, 0)
        return torch.cat([block.latents for block in rollout.blocks(given)])

    whole = made(36)
    for num_made in (12, 27):
        assert torch.equal(made(36, whole[:num_made]), whole)
    assert torch.equal(made(24), whole[:24])


def test_mass_is_the_softmax_of_rotated_queries_and_keys(quick: Backbone) -> None:
    shape = quick.spec.shape
    generator = torch.Generator().manual_seed(0)
    tokens = shape.tokens_per_latent
    sizes = (shape.layers, shape.heads, 4 * tokens, shape.head_dim)
    keys, queries = (torch.randn(sizes, generator=generator) for _ in range(2))
    factors = shape.rotary.factors((1, 2, 3))
    context = AttentionContext(keys, keys, factors, 3 * tokens, queries[:, :, : 3 * tokens])
    mass = attention_mass(context, shape)
    q = shape.rotary.rotate(queries[1, 0, : 3 * tokens], factors)
    weights = (q @ keys[1, 0].T / shape.head_dim**0.5).softmax(1)
    expected = torch.stack([part.sum(1).mean() for part in weights.split(tokens, dim=1)])
    torch.testing.assert_close(mass[1, 0], expected)


def test_a_model_that_records_no_queries_is_named(
    quick: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = CausalWanTransformer.forward

    def forward(self, latents, time, context, text, new_kv_LPHSD=None):
        return whole(self, latents, time, context._replace(queries_LHSD=None), text, new_kv_LPHSD)

    monkeypatch.setattr(CausalWanTransformer, "forward", forward)
    with pytest.raises(PlanError, match="this model records no queries"):
        roll_out(quick, Watcher())


@pytest.mark.slow
def test_no_room_is_kept_for_queries_that_nobody_asks_for(
    quick: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: KVStore, context: AttentionContext) -> AttentionContext:
        raise AssertionError

    monkeypatch.setattr(KVStore, "recording", refuse)
    roll_out(quick, SlidingWindow())

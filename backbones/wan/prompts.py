"""Prompts of the Wan backbones: their length limit and their embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

from backbones.wan.random_weights import random_embedding
from backbones.wan.text import (
    LongPrompt,
    PromptEmbedding,
    PromptTokenizer,
    TextEncoderConfig,
    TextEncoderFiles,
    clean_prompt,
    encode_prompts,
)
from harness.core.errors import ConfigError
from harness.core.files import cache_root

if TYPE_CHECKING:
    from pathlib import Path

    import torch


class Prompts(Protocol):
    """Checks and embeds prompts."""

    def check(self, prompt: str) -> None:
        """Refuse a prompt.

        Raises:
            ConfigError: it is empty, or too long and `long_prompt` is refuse.
        """

    def embed(self, prompts: Sequence[str], device: torch.device) -> Mapping[str, PromptEmbedding]:
        """Return the embedding of every prompt, on the CPU; frees a large text encoder."""


@dataclass(frozen=True)
class ReleasedPrompts:
    """Prompts for the released weights: UMT5.

    Attributes:
        config: sizes of the text encoder.
        text_encoder: weights of the text encoder.
        tokenizer: folder of the tokenizer's files.
        long_prompt: what happens to a prompt that is too long.
    """

    config: TextEncoderConfig
    text_encoder: Path
    tokenizer: Path
    long_prompt: LongPrompt

    def check(self, prompt: str) -> None:
        """Refuse an empty prompt, and one of too many tokens unless it may be cut."""
        _refuse_empty(prompt)
        _tokenizer(self.tokenizer, self.config).tokens(clean_prompt(prompt), self.long_prompt)

    def embed(self, prompts: Sequence[str], device: torch.device) -> Mapping[str, PromptEmbedding]:
        """Embed with UMT5, or take the embeddings from the user's cache."""
        files = TextEncoderFiles(self.text_encoder, self.tokenizer)
        cache = cache_root() / "prompts"
        return encode_prompts(prompts, files, cache, device, self.long_prompt, self.config)


@dataclass(frozen=True)
class RandomPrompts:
    """Embeddings seeded by the text of a prompt, for random weights; a word counts as a token.

    Attributes:
        config: sizes of the embeddings.
        seed: seed of the backbone's weights.
        long_prompt: what happens to a prompt that is too long.
    """

    config: TextEncoderConfig
    seed: int
    long_prompt: LongPrompt

    def check(self, prompt: str) -> None:
        """Refuse an empty prompt, and one of too many words unless it may be cut."""
        _refuse_empty(prompt)
        num_words, text_len = _count_words(prompt), self.config.text_len
        if num_words > text_len and self.long_prompt is LongPrompt.refuse:
            raise ConfigError(
                f"The prompt {prompt[:40]!r}... has {num_words} words, these random weights take "
                f"{text_len}; shorten it, or set backbone.long_prompt=cut."
            )

    def embed(self, prompts: Sequence[str], device: torch.device) -> Mapping[str, PromptEmbedding]:
        """Draw the embeddings."""
        return {prompt: self._embed(prompt) for prompt in prompts}

    def _embed(self, prompt: str) -> PromptEmbedding:
        self.check(prompt)
        shape = (self.config.text_len, self.config.dim)
        num_words = _count_words(prompt)
        num_kept = min(num_words, self.config.text_len)
        embedding = random_embedding(prompt, num_kept, self.seed, shape)
        return PromptEmbedding(embedding, num_kept, num_words - num_kept)


def _count_words(prompt: str) -> int:
    return len(prompt.split()) + 1  # one for the end of the text


def _refuse_empty(prompt: str) -> None:
    if not prompt.strip():
        raise ConfigError("A prompt is empty.")


@cache
def _tokenizer(folder: Path, config: TextEncoderConfig) -> PromptTokenizer:
    return PromptTokenizer(folder, config)

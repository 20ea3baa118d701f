"""Embeddings of all prompts of a sweep, with the text encoder loaded only for new ones."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.progress import track

from backbones.engine.weights import sha256_of
from backbones.wan.text.config import UMT5_XXL, TextEncoderConfig
from backbones.wan.text.encoder import load_text_encoder
from backbones.wan.text.prompt_cache import PromptCache, PromptEmbedding
from backbones.wan.text.tokens import (
    LongPrompt,
    PromptTokenizer,
    PromptTokens,
    clean_prompt,
    tokenizer_fingerprint,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_ORIGIN = "It is the file models_t5_umt5-xxl-enc-bf16.pth of Wan-AI/Wan2.1-T2V-1.3B."


@dataclass(frozen=True)
class TextEncoderFiles:
    """Paths of the text encoder.

    Attributes:
        weights: `models_t5_umt5-xxl-enc-bf16.pth` of Wan2.1.
        tokenizer: its folder `google/umt5-xxl`.
    """

    weights: Path
    tokenizer: Path


def encode_prompts(
    prompts: Sequence[str],
    files: TextEncoderFiles,
    cache_dir: Path,
    device: torch.device,
    long_prompt: LongPrompt,
    config: TextEncoderConfig = UMT5_XXL,
) -> dict[str, PromptEmbedding]:
    """Return the embeddings of prompts; cached ones are not computed again.

    All other prompts are tokenized first, so that a long one is refused before the encoder is
    loaded. The encoder is freed before this returns.

    Args:
        prompts: texts as the user wrote them.
        files: the text encoder.
        cache_dir: folder of the cache; several processes may share it.
        device: where new prompts are encoded.
        long_prompt: refuse or cut a prompt of more than `config.text_len` tokens.
        config: sizes of the encoder.

    Returns:
        One embedding per prompt, on the CPU.

    Raises:
        LongtakeError: a file is missing or of another encoder, a prompt is too long, or a package
            of the extra `wan` is not installed.
    """
    cache = PromptCache(
        cache_dir,
        sha256_of(files.weights, _ORIGIN),
        tokenizer_fingerprint(files.tokenizer),
        config.text_len,
        long_prompt,
    )
    texts = {prompt: clean_prompt(prompt) for prompt in prompts}
    missing = [text for text in dict.fromkeys(texts.values()) if not cache.path(text).exists()]
    if missing:
        tokenizer = PromptTokenizer(files.tokenizer, config)
        tokens = {text: tokenizer.tokens(text, long_prompt) for text in missing}
        _encode(tokens, files.weights, config, device, cache)
    return {prompt: _read(cache, text) for prompt, text in texts.items()}


@torch.inference_mode()
def _encode(
    tokens: Mapping[str, PromptTokens],
    weights: Path,
    config: TextEncoderConfig,
    device: torch.device,
    cache: PromptCache,
) -> None:
    encoder = load_text_encoder(weights, config, device)
    console = Console(stderr=True)
    hidden = not console.is_terminal
    prompts = track(
        tokens.items(), "Encoding prompts", console=console, transient=True, disable=hidden
    )
    for text, prompt in prompts:
        rows = encoder(torch.tensor(prompt.ids, device=device))
        cache.write(text, rows, prompt.num_cut_tokens)
    del encoder
    gc.collect()  # modules of transformers refer to each other in circles
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _read(cache: PromptCache, text: str) -> PromptEmbedding:
    embedding = cache.read(text)
    assert embedding is not None, "written above"
    return embedding

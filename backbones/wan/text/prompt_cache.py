"""Prompt embeddings on disk, so that a prompt needs the text encoder only once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from jaxtyping import BFloat16
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from harness.core.errors import StoreError
from harness.core.files import replacing

if TYPE_CHECKING:
    from backbones.wan.text.tokens import LongPrompt

# Part of every key: raise it when the same key would stand for other values.
_VERSION = 1


@dataclass(frozen=True)
class PromptEmbedding:
    """Embedding of a prompt, as the transformer takes it.

    Attributes:
        embedding: one row per token, zeros after the last one; on the CPU.
        num_tokens: rows that are not padding.
        num_cut_tokens: tokens left out because the prompt is too long.
    """

    embedding: BFloat16[Tensor, "text_len text_dim"]
    num_tokens: int
    num_cut_tokens: int


@dataclass(frozen=True)
class PromptCache:
    """Cached embeddings of one text encoder.

    Attributes:
        folder: folder of the cache, which other encoders share.
        encoder_sha256: digest of the weights file.
        tokenizer_fingerprint: digest of the tokenizer's files.
        text_len: rows of an embedding.
        long_prompt: treatment of prompts that are too long.
    """

    folder: Path
    encoder_sha256: str
    tokenizer_fingerprint: str
    text_len: int
    long_prompt: LongPrompt

    def path(self, text: str) -> Path:
        """Return the file of a cleaned prompt, which need not exist."""
        parts = (
            _VERSION,
            text,
            self.encoder_sha256,
            self.tokenizer_fingerprint,
            self.text_len,
            self.long_prompt,
        )
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return self.folder / f"{key[:32]}.safetensors"

    def read(self, text: str) -> PromptEmbedding | None:
        """Return the embedding of a cleaned prompt; None if it was never encoded.

        Raises:
            StoreError: the file is damaged.
        """
        path = self.path(text)
        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                rows, metadata = file.get_tensor("embedding"), file.metadata()
            num_cut_tokens = int(metadata["num_cut_tokens"])
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"The cached prompt embedding {path} is damaged; delete it to encode it again."
            ) from error
        padded = F.pad(rows, (0, 0, 0, self.text_len - len(rows)))
        return PromptEmbedding(padded, len(rows), num_cut_tokens)

    def write(self, text: str, rows: Tensor, num_cut_tokens: int) -> None:
        """Store the embedding of a cleaned prompt, without its padding."""
        metadata = {"prompt": text, "num_cut_tokens": str(num_cut_tokens)}
        tensors = {"embedding": rows.to("cpu", torch.bfloat16).contiguous()}
        with replacing(self.path(text)) as temporary:
            save_file(tensors, temporary, metadata)

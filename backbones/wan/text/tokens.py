"""Token ids of a prompt, as in Wan2.1: cleaned, tokenized, at most `text_len` tokens."""

from __future__ import annotations

import hashlib
import html
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from backbones.wan.text.config import UMT5_XXL, TextEncoderConfig
from backbones.wan.text.extra import import_extra
from harness.core.errors import ConfigError, MissingWeights

# The files that define a tokenizer; others in its folder have no effect.
_FILES = (
    "tokenizer.json",
    "spiece.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
_ORIGIN = "It is the folder google/umt5-xxl of Wan-AI/Wan2.1-T2V-1.3B."


class LongPrompt(StrEnum):
    """Treatment of a prompt of more tokens than the text encoder takes."""

    refuse = "refuse"
    cut = "cut"


@dataclass(frozen=True)
class PromptTokens:
    """Token ids of a prompt.

    Attributes:
        ids: at most `text_len` ids; the last one ends the text.
        num_cut_tokens: tokens left out because the prompt is too long.
    """

    ids: tuple[int, ...]
    num_cut_tokens: int


def clean_prompt(text: str) -> str:
    """Return the text as the tokenizer takes it: repaired encoding, no entities, single spaces.

    Raises:
        ConfigError: the package ftfy is not installed.
    """
    repaired = import_extra("ftfy").fix_text(text)
    return " ".join(html.unescape(html.unescape(repaired)).split())


class PromptTokenizer:
    """The tokenizer of a local folder; nothing is ever downloaded.

    Args:
        folder: a Hugging Face tokenizer, as `google/umt5-xxl` of Wan2.1.
        config: sizes of the text encoder.

    Raises:
        MissingWeights: the folder holds no tokenizer, or a package is not installed.
    """

    def __init__(self, folder: Path, config: TextEncoderConfig = UMT5_XXL) -> None:
        if "tokenizer.json" not in {path.name for path in _tokenizer_files(folder)}:
            import_extra("sentencepiece")  # transformers converts spiece.model with it
        transformers = import_extra("transformers")
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True
            )
        except Exception as error:  # transformers raises almost anything here
            reason = str(error).partition("\n")[0]
            raise MissingWeights(
                f"{folder} holds no tokenizer that can be read: {type(error).__name__}: {reason} "
                f"{_ORIGIN}"
            ) from error
        self._folder, self._config = folder, config

    def tokens(self, text: str, long_prompt: LongPrompt) -> PromptTokens:
        """Return the token ids of a cleaned prompt.

        Raises:
            ConfigError: the prompt is too long and `long_prompt` is refuse.
            MissingWeights: the tokenizer doesn't fit the text encoder.
        """
        ids = self._tokenizer(text, truncation=False, verbose=False).input_ids
        limit, end = self._config.text_len, self._tokenizer.eos_token_id
        if not ids or ids[-1] != end or max(ids) >= self._config.vocab_size:
            raise MissingWeights(
                f"{self._folder} is a tokenizer of another text encoder: expected ids below "
                f"{self._config.vocab_size} that end with the end of the text. {_ORIGIN}"
            )
        num_cut = max(0, len(ids) - limit)
        if num_cut and long_prompt is LongPrompt.refuse:
            start = text if len(text) <= 60 else f"{text[:60]}..."
            raise ConfigError(
                f"A prompt has {len(ids)} tokens, the text encoder takes {limit}: {start!r}. "
                f"Shorten it, or set long_prompt=cut."
            )
        return PromptTokens((*ids[: limit - 1], end) if num_cut else tuple(ids), num_cut)


def tokenizer_fingerprint(folder: Path) -> str:
    """Return a digest of everything in a tokenizer's folder that changes tokens.

    Raises:
        MissingWeights: the folder holds no tokenizer.
    """
    digest = hashlib.sha256()
    for path in _tokenizer_files(folder):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()


def _tokenizer_files(folder: Path) -> list[Path]:
    found = [folder / name for name in _FILES if (folder / name).is_file()]
    if not {"tokenizer.json", "spiece.model"} & {path.name for path in found}:
        raise MissingWeights(
            f"Missing tokenizer: {folder} holds neither tokenizer.json nor spiece.model. {_ORIGIN}"
        )
    return found

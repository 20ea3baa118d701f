"""A prompt's way to token ids, as in Wan2.1: cleaned, tokenized, at most `text_len` tokens."""

from __future__ import annotations

import hashlib
import html
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from backbones.wan.text.config import UMT5_XXL, TextEncoderConfig
from backbones.wan.text.extra import import_extra
from harness.core.errors import LongtakeError

# The files that say what a tokenizer does; anything else in its folder changes nothing.
_FILES = (
    "tokenizer.json",
    "spiece.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
_ORIGIN = "It is the folder google/umt5-xxl of Wan-AI/Wan2.1-T2V-1.3B."


class LongPrompt(StrEnum):
    """What to do with a prompt of more tokens than the text encoder takes."""

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
    """Text as the tokenizer gets it: mended encoding, plain characters, single spaces.

    Raises:
        LongtakeError: the package ftfy is not installed.
    """
    mended = import_extra("ftfy").fix_text(text)
    return " ".join(html.unescape(html.unescape(mended)).split())


class PromptTokenizer:
    """The tokenizer of a local folder; nothing is ever downloaded.

    Args:
        folder: a Hugging Face tokenizer, as `google/umt5-xxl` of Wan2.1.
        config: sizes of the text encoder.

    Raises:
        LongtakeError: the folder holds no tokenizer, or a package is not installed.
    """

    def __init__(self, folder: Path, config: TextEncoderConfig = UMT5_XXL) -> None:
        if "tokenizer.json" not in {path.name for path in _tokenizer_files(folder)}:
            import_extra("sentencepiece")  # which spiece.model is converted with
        transformers = import_extra("transformers")
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True
            )
        except Exception as error:  # it fails in too many ways to list
            reason = str(error).partition("\n")[0]
            raise LongtakeError(
                f"{folder} holds no tokenizer that can be read: {type(error).__name__}: {reason} "
                f"{_ORIGIN}"
            ) from error
        self._folder, self._config = folder, config

    def tokens(self, text: str, long_prompt: LongPrompt) -> PromptTokens:
        """Token ids of a cleaned prompt.

        Raises:
            LongtakeError: the prompt is too long and is to be refused, or the tokenizer does not
                fit the text encoder.
        """
        ids = self._tokenizer(text, truncation=False, verbose=False).input_ids
        limit, end = self._config.text_len, self._tokenizer.eos_token_id
        if not ids or ids[-1] != end or max(ids) >= self._config.vocab_size:
            raise LongtakeError(
                f"{self._folder} is a tokenizer of another text encoder: expected ids below "
                f"{self._config.vocab_size} that end with the end of the text. {_ORIGIN}"
            )
        num_cut = max(0, len(ids) - limit)
        if num_cut and long_prompt is LongPrompt.refuse:
            start = text if len(text) <= 60 else f"{text[:60]}..."
            raise LongtakeError(
                f"A prompt has {len(ids)} tokens, the text encoder takes {limit}: {start!r}. "
                f"Shorten it, or choose to cut long prompts (long_prompt=cut)."
            )
        return PromptTokens((*ids[: limit - 1], end) if num_cut else tuple(ids), num_cut)


def tokenizer_fingerprint(folder: Path) -> str:
    """A hash of everything in a tokenizer's folder that changes tokens.

    Raises:
        LongtakeError: the folder holds no tokenizer.
    """
    digest = hashlib.sha256()
    for path in _tokenizer_files(folder):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()


def _tokenizer_files(folder: Path) -> list[Path]:
    found = [folder / name for name in _FILES if (folder / name).is_file()]
    if not {"tokenizer.json", "spiece.model"} & {path.name for path in found}:
        raise LongtakeError(
            f"Missing tokenizer: {folder} holds neither tokenizer.json nor spiece.model. {_ORIGIN}"
        )
    return found

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import sentencepiece

from backbones.wan.text import LongPrompt, PromptTokenizer, TextEncoderFiles, clean_prompt
from backbones.wan.text.tokens import tokenizer_fingerprint
from harness.core.errors import LongtakeError
from tests.backbones.wan.text.support import LINES, SMALL

LONG = " ".join(LINES)


@pytest.fixture(scope="module")
def tokenizer(files: TextEncoderFiles) -> PromptTokenizer:
    return PromptTokenizer(files.tokenizer, SMALL)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  a \n\t fox\u3000runs ", "a fox runs"),
        ("caf\u00c3\u00a9", "café"),  # UTF-8 read as Latin-1
        ("fish &amp;amp; chips", "fish & chips"),
        ("it\u2019s \u201cthere\u201d", 'it\'s "there"'),
    ],
)
def test_prompts_are_cleaned_as_wan_does(text: str, clean: str) -> None:
    assert clean_prompt(text) == clean


@pytest.mark.parametrize("line", LINES)
def test_tokens_are_those_of_sentencepiece_and_the_end_of_text(
    tokenizer: PromptTokenizer, sentencepiece_model: Path, line: str
) -> None:
    words = " ".join(line.split()[:4])
    reference = sentencepiece.SentencePieceProcessor(model_file=str(sentencepiece_model))
    tokens = tokenizer.tokens(words, LongPrompt.refuse)
    assert list(tokens.ids) == [*reference.encode(words), 1]
    assert tokens.num_cut_tokens == 0


def test_a_long_prompt_is_refused_with_its_length(tokenizer: PromptTokenizer) -> None:
    with pytest.raises(LongtakeError, match=r"has \d+ tokens, the text encoder takes 16: 'a red"):
        tokenizer.tokens(LONG, LongPrompt.refuse)


def test_a_long_prompt_is_cut_as_transformers_cuts_it_and_the_cut_is_counted(
    tokenizer: PromptTokenizer, sentencepiece_model: Path
) -> None:
    reference = sentencepiece.SentencePieceProcessor(model_file=str(sentencepiece_model))
    all_ids = [*reference.encode(LONG), 1]
    tokens = tokenizer.tokens(LONG, LongPrompt.cut)
    assert list(tokens.ids) == [*all_ids[:15], 1]
    assert tokens.num_cut_tokens == len(all_ids) - 16
    theirs = tokenizer._tokenizer(LONG, truncation=True, max_length=16).input_ids
    assert list(tokens.ids) == theirs


def test_a_prompt_of_exactly_the_limit_is_whole(tokenizer: PromptTokenizer) -> None:
    text = "a " * 7 + "a"
    while len(tokenizer.tokens(text, LongPrompt.cut).ids) < 16:
        text += " a"
    assert tokenizer.tokens(text, LongPrompt.refuse).num_cut_tokens == 0


def test_a_tokenizer_with_more_ids_than_the_encoder_is_refused(files: TextEncoderFiles) -> None:
    tokenizer = PromptTokenizer(files.tokenizer, replace(SMALL, vocab_size=10))
    with pytest.raises(LongtakeError, match="of another text encoder: expected ids below 10"):
        tokenizer.tokens("a red fox", LongPrompt.refuse)


@pytest.mark.parametrize("name", ["tokenizer.json", "spiece.model"])
def test_either_file_of_a_tokenizer_is_enough(
    files: TextEncoderFiles, tmp_path: Path, name: str, tokenizer: PromptTokenizer
) -> None:
    for kept in (name, "tokenizer_config.json"):
        shutil.copy(files.tokenizer / kept, tmp_path)
    alone = PromptTokenizer(tmp_path, SMALL)
    text = "a small boat"
    assert alone.tokens(text, LongPrompt.cut) == tokenizer.tokens(text, LongPrompt.cut)


def test_the_network_is_never_accessed(
    files: TextEncoderFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    PromptTokenizer(files.tokenizer, SMALL)
    with pytest.raises(LongtakeError, match=r"Missing tokenizer: .*google/umt5-xxl of Wan-AI"):
        PromptTokenizer(tmp_path / "google" / "umt5-xxl", SMALL)


def test_a_damaged_tokenizer_is_refused(files: TextEncoderFiles, tmp_path: Path) -> None:
    folder = tmp_path / "tokenizer"
    shutil.copytree(files.tokenizer, folder)
    (folder / "tokenizer.json").write_text('{"version": ')
    (folder / "spiece.model").unlink()
    with pytest.raises(LongtakeError, match="holds no tokenizer that can be read"):
        PromptTokenizer(folder, SMALL)


def test_the_fingerprint_follows_the_files_that_change_tokens(
    files: TextEncoderFiles, tmp_path: Path
) -> None:
    folder = tmp_path / "tokenizer"
    shutil.copytree(files.tokenizer, folder)
    assert tokenizer_fingerprint(folder) == tokenizer_fingerprint(files.tokenizer)
    (folder / "README.md").write_text("a tokenizer")
    assert tokenizer_fingerprint(folder) == tokenizer_fingerprint(files.tokenizer)
    (folder / "special_tokens_map.json").write_text("{}")
    assert tokenizer_fingerprint(folder) != tokenizer_fingerprint(files.tokenizer)

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from backbones.wan.text import (
    LongPrompt,
    PromptEmbedding,
    PromptTokenizer,
    TextEncoderFiles,
    encode_prompts,
)
from backbones.wan.text import embeddings as embeddings_module
from harness.core import files as files_module
from harness.core.errors import LongtakeError
from tests.backbones.wan.text.support import LINES, SMALL, wan_encoder, wan_tensors

PROMPTS = ("a red fox", "a small   boat")
LONG = " ".join(LINES)

Encode = Callable[..., dict[str, PromptEmbedding]]


@pytest.fixture
def encode(files: TextEncoderFiles, tmp_path: Path) -> Encode:
    """Encodes with the small encoder and a cache of the test's own."""

    def run(
        prompts: tuple[str, ...] = PROMPTS, long_prompt: LongPrompt = LongPrompt.refuse
    ) -> dict[str, PromptEmbedding]:
        device = torch.device("cpu")
        return encode_prompts(prompts, files, tmp_path / "cache", device, long_prompt, SMALL)

    return run


@pytest.fixture
def no_encoder(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, neither tokenizer nor encoder can be loaded."""

    def forbid() -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("not needed for what is in the cache")

        monkeypatch.setattr(embeddings_module, "load_text_encoder", refuse)
        monkeypatch.setattr(embeddings_module, "PromptTokenizer", refuse)
        monkeypatch.setitem(sys.modules, "transformers", None)

    return forbid


def equal(first: dict[str, PromptEmbedding], second: dict[str, PromptEmbedding]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[prompt].embedding, second[prompt].embedding)
        and first[prompt].num_tokens == second[prompt].num_tokens
        and first[prompt].num_cut_tokens == second[prompt].num_cut_tokens
        for prompt in first
    )


def test_embeddings_are_those_of_wans_encoder_with_zeros_behind_them(
    encode: Encode, files: TextEncoderFiles
) -> None:
    tokenizer = PromptTokenizer(files.tokenizer, SMALL)
    embeddings = encode()
    for prompt in PROMPTS:
        ids = list(tokenizer.tokens(" ".join(prompt.split()), LongPrompt.refuse).ids)
        expected = wan_encoder(wan_tensors(SMALL), ids, SMALL.text_len)
        embedding = embeddings[prompt]
        assert embedding.embedding.shape == (SMALL.text_len, SMALL.dim)
        assert embedding.embedding.dtype == torch.bfloat16
        assert embedding.num_tokens == len(ids)
        assert embedding.num_cut_tokens == 0
        assert not embedding.embedding[len(ids) :].any()
        difference = embedding.embedding.double() - expected
        assert float(difference.std()) < 0.03 * float(expected.std())


def test_cached_prompts_need_no_encoder_and_no_tokenizer(
    encode: Encode, no_encoder: Callable[[], None]
) -> None:
    first = encode()
    no_encoder()
    assert equal(encode(), first)
    with pytest.raises(AssertionError, match="not needed"):
        encode(("a lighthouse",))


def test_a_prompt_is_encoded_alike_alone_and_among_others(encode: Encode, tmp_path: Path) -> None:
    together = encode((*PROMPTS, "a red fox at night"))
    (cached,) = (
        path for path in (tmp_path / "cache").iterdir() if b'a red fox"' in path.read_bytes()
    )
    cached.unlink()
    alone = encode(("a red fox",))
    assert torch.equal(alone["a red fox"].embedding, together["a red fox"].embedding)


def test_prompts_that_are_cleaned_alike_share_an_embedding(encode: Encode, tmp_path: Path) -> None:
    embeddings = encode(("a red fox", " a  red fox\n", "a red fox"))
    assert len(embeddings) == 2
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_long_prompt_is_refused_before_the_encoder_is_loaded(
    encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(embeddings_module, "load_text_encoder", refuse)
    with pytest.raises(LongtakeError, match="the text encoder takes 16"):
        encode((*PROMPTS, LONG))


def test_a_cut_prompt_reports_the_cut_also_from_the_cache(
    encode: Encode, no_encoder: Callable[[], None]
) -> None:
    first = encode((LONG,), LongPrompt.cut)
    assert first[LONG].num_tokens == SMALL.text_len
    assert first[LONG].num_cut_tokens > 0
    no_encoder()
    assert equal(encode((LONG,), LongPrompt.cut), first)
    with pytest.raises(AssertionError, match="not needed"):
        encode((LONG,), LongPrompt.refuse)


@pytest.mark.parametrize("changed", ["weights", "tokenizer"])
def test_another_encoder_or_tokenizer_has_embeddings_of_its_own(
    files: TextEncoderFiles, tmp_path: Path, changed: str
) -> None:
    other = TextEncoderFiles(tmp_path / "encoder.pth", tmp_path / "tokenizer")
    shutil.copy(files.weights, other.weights)
    shutil.copytree(files.tokenizer, other.tokenizer)
    if changed == "weights":
        torch.save(wan_tensors(SMALL) | {"norm.weight": torch.ones(SMALL.dim)}, other.weights)
    else:
        (other.tokenizer / "special_tokens_map.json").write_text("{}")
    cache, device = tmp_path / "cache", torch.device("cpu")
    for used in (files, other, files):
        encode_prompts(("a red fox",), used, cache, device, LongPrompt.refuse, SMALL)
    assert len(list(cache.iterdir())) == 2


def test_an_interrupted_write_leaves_no_embedding_behind(
    encode: Encode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files_module.os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            encode()
    assert not list((tmp_path / "cache").iterdir())
    assert encode().keys() == set(PROMPTS)


def test_a_damaged_cache_file_is_named(encode: Encode, tmp_path: Path) -> None:
    encode(("a red fox",))
    (cached,) = (tmp_path / "cache").iterdir()
    cached.write_bytes(cached.read_bytes()[:-10])
    with pytest.raises(LongtakeError, match=rf"{cached.name} is damaged; delete it"):
        encode(("a red fox",))


@pytest.mark.parametrize("missing", ["ftfy", "transformers"])
def test_a_missing_package_names_the_extra(
    encode: Encode, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(LongtakeError, match=rf'needs the package {missing} .*"longtake\[wan\]"'):
        encode()


def test_missing_weights_are_named(files: TextEncoderFiles, tmp_path: Path) -> None:
    absent = TextEncoderFiles(tmp_path / "encoder.pth", files.tokenizer)
    with pytest.raises(LongtakeError, match=r"Missing weights: .*encoder\.pth\. It is the file"):
        encode_prompts(PROMPTS, absent, tmp_path, torch.device("cpu"), LongPrompt.refuse, SMALL)

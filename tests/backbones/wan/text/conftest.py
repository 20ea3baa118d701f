from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import sentencepiece
import torch

from backbones.wan.text import TextEncoderFiles
from tests.backbones.wan.text.support import LINES, SMALL, wan_tensors


@pytest.fixture(scope="session")
def sentencepiece_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer trained on a few lines, with T5's special ids."""
    folder = tmp_path_factory.mktemp("sentencepiece")
    (folder / "lines.txt").write_text("\n".join(LINES * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "lines.txt"),
        model_prefix=str(folder / "spiece"),
        vocab_size=56,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    return folder / "spiece.model"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory, sentencepiece_model: Path) -> TextEncoderFiles:
    """A small random encoder in the layout of Wan's repository."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("Wan2.1-T2V-1.3B")
    raw = tmp_path_factory.mktemp("raw")
    shutil.copy(sentencepiece_model, raw)
    described = {"tokenizer_class": "T5Tokenizer", "extra_ids": 100}
    (raw / "tokenizer_config.json").write_text(json.dumps(described))
    tokenizer = folder / "google" / "umt5-xxl"
    AutoTokenizer.from_pretrained(str(raw)).save_pretrained(tokenizer)
    shutil.copy(sentencepiece_model, tokenizer)
    weights = folder / "models_t5_umt5-xxl-enc-bf16.pth"
    torch.save(wan_tensors(SMALL), weights)
    return TextEncoderFiles(weights, tokenizer)

"""The text encoder of Wan2.1, UMT5-XXL, and a cache of its embeddings."""

from backbones.wan.text.config import UMT5_XXL, TextEncoderConfig
from backbones.wan.text.embeddings import TextEncoderFiles, encode_prompts
from backbones.wan.text.prompt_cache import PromptEmbedding
from backbones.wan.text.tokens import LongPrompt, PromptTokenizer, clean_prompt

__all__ = [
    "UMT5_XXL",
    "LongPrompt",
    "PromptEmbedding",
    "PromptTokenizer",
    "TextEncoderConfig",
    "TextEncoderFiles",
    "clean_prompt",
    "encode_prompts",
]

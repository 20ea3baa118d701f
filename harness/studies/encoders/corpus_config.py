"""Settings of `python -m harness latents`: those of a sweep, and those of the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config.overrides import split, take
from harness.config.sweep import SweepConfig, load_sweep
from harness.core.errors import ConfigError
from harness.store.header import COMMAND
from harness.store.units import Unit, plan_units
from harness.studies.encoders.corpus import SHARD_VIDEOS, plan_corpus
from methods.encoders.corpus import INDEX, CorpusIndex

_OWN = ("num", "out", "shard_videos")


@dataclass(frozen=True)
class CorpusConfig:
    """A corpus as the command line describes it, which need not exist yet.

    Attributes:
        config: the sweep that makes its videos.
        units: its videos.
        index: its content.
        folder: its folder.
        command: the command line that makes it.
    """

    config: SweepConfig
    units: list[Unit]
    index: CorpusIndex
    folder: Path
    command: tuple[str, ...]

    @classmethod
    def load(cls, overrides: Sequence[str]) -> CorpusConfig:
        """Read the settings of a sweep, and num=, out= and shard_videos=.

        Raises:
            LongtakeError: a setting that cannot be used, or videos that make no corpus.
        """
        own, settings = _split(overrides)
        config = load_sweep(settings)
        units = plan_units(config)
        index = plan_corpus(
            units, _positive("shard_videos", own.get("shard_videos", str(SHARD_VIDEOS)))
        )
        folder = Path(own["out"]) if "out" in own else config.settings.store / "corpus"
        command = (*COMMAND, "latents", *overrides)
        return cls(config, units, index, folder, command)

    def packed(self) -> bool:
        """Return True if the folder contains exactly this corpus, not an earlier version."""
        path = self.folder / INDEX
        return path.is_file() and path.read_text(encoding="utf-8") == self.index.text


def _split(overrides: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the settings of the corpus and those of its rollouts, with this command's defaults."""
    own, settings = take(overrides, _OWN)
    given = {choice.key for choice in split(settings)}
    if "num" in own:
        if "prompts.num" in given:
            raise ConfigError("num= and prompts.num= are the same setting; give one.")
        settings.append(f"prompts.num={_positive('num', own['num'])}")
    if "suite" in given:
        raise ConfigError("A corpus is not scored; leave out suite=.")
    defaults = [] if "name" in given else ["name=corpus"]
    return own, [*defaults, "suite=[]", *settings]


def _positive(key: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{key}={text}: expected a whole number from 1.")
    return int(text)

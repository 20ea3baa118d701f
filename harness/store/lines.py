"""The lines of units.jsonl: units and the table rows they belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backbones.engine.script import Script

# Ids become file names, and a store may come from an untrusted source.
_FILE_NAME = re.compile(r"\w[\w.-]{0,100}")


@dataclass(frozen=True)
class UnitLine:
    """One unit in one row.

    Attributes:
        unit_id: the unit.
        backbone: label of the row's backbone.
        method: label of the row's method.
        prompt_id: "set/id" of the prompt.
        prompt: generation prompt.
        evaluation_prompt: prompt that metrics compare with.
        seed: seed of all noise.
        row_id: identity of the row. Labels may be reused with other arguments, ids cannot.
        script: its segments if the prompt changes; the prompts above are then those of the first.
    """

    unit_id: str
    backbone: str
    method: str
    prompt_id: str
    prompt: str
    evaluation_prompt: str
    seed: int
    row_id: str
    script: Script | None = None

    def __post_init__(self) -> None:
        _check_file_name(self.unit_id)

    @property
    def evaluation_prompts(self) -> tuple[str, ...]:
        """The evaluation prompt of each segment; one for a video with one prompt."""
        return self.script.evaluation_prompts if self.script else (self.evaluation_prompt,)

    @property
    def all_prompts(self) -> str:
        """Return the generation prompt, or those of all segments with the times of the changes."""
        return str(self.script) if self.script else self.prompt

    @property
    def row(self) -> tuple[str, str]:
        """Labels of the row."""
        return self.backbone, self.method

    @property
    def label(self) -> str:
        """Readable name of the unit."""
        return f"{self.backbone} | {self.method} | {self.prompt_id} seed {self.seed}"


@dataclass(frozen=True)
class UnitPlace:
    """The part of a line that says where in a table its unit stands; quick to read."""

    unit_id: str
    backbone: str
    method: str
    prompt_id: str
    seed: int

    def __post_init__(self) -> None:
        _check_file_name(self.unit_id)


def _check_file_name(unit_id: str) -> None:
    if not _FILE_NAME.fullmatch(unit_id):
        raise ValueError(f"unit id {unit_id!r} is not a file name")

"""The files of a released backbone: which, where, and whether they are the published ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from backbones.engine.backbone import LocatedFile
from backbones.engine.weights import require_file, sha256_of
from backbones.wan import catalogue

if TYPE_CHECKING:
    from backbones.wan.catalogue import Release
    from harness.core.weights_files import WeightsFile

_TOKENIZER = "tokenizer/"


@dataclass(frozen=True)
class ReleasedFiles:
    """The files of a release.

    Attributes:
        release: the release.
        given: paths that the user named, by role; `tokenizer` is a folder. They take the place of
            fetched files.
    """

    release: Release
    given: Mapping[str, str | None]

    def located(self) -> list[LocatedFile]:
        """All files, whether they are there or not."""
        return [self._locate(role, source) for role, source in self._published()]

    def path(self, role: str) -> Path:
        """Where a file is read from."""
        return next(file.path for file in self.located() if file.role == role)

    @property
    def tokenizer(self) -> Path:
        """The folder of the tokenizer's files."""
        return next(f.path.parent for f in self.located() if f.role.startswith(_TOKENIZER))

    def require(self) -> None:
        """Refuse to go on without a file.

        Raises:
            LongtakeError: the first missing file, with the way to get it.
        """
        for file in self.located():
            require_file(file.path, self._remedy(file))

    def sha256(self) -> dict[str, str]:
        """The sha256 of every file, by role.

        Raises:
            LongtakeError: see `require`.
        """
        return {file.role: sha256_of(file.path, self._remedy(file)) for file in self.located()}

    def are_published(self) -> bool:
        """Whether all of them are the files that their authors published, wherever they lie."""
        return self.sha256() == {role: source.sha256 for role, source in self._published()}

    def _published(self) -> Iterator[tuple[str, WeightsFile]]:
        yield "generator", self.release.generator
        if self.release.lora is not None:
            yield "lora", self.release.lora
        yield "vae", catalogue.VAE
        yield "text_encoder", catalogue.TEXT_ENCODER
        for source in catalogue.TOKENIZER:
            yield f"{_TOKENIZER}{PurePosixPath(source.file).name}", source

    def _locate(self, role: str, source: WeightsFile) -> LocatedFile:
        argument, _, name = role.partition("/")
        given = self.given.get(argument)
        if given is None:
            return LocatedFile(role, source.path, source)
        return LocatedFile(role, Path(given) / name if name else Path(given), None)

    def _remedy(self, file: LocatedFile) -> str:
        if file.source is None:
            return f"backbone.{file.role.partition('/')[0]} names it."
        return f"To get it: python -m harness fetch-weights backbone={self.release.name}"

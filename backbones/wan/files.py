"""The files of a released backbone: their places, digests, and published originals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from backbones.engine.backbone import LocatedFile
from backbones.engine.weights import SHARDS, require_file, sha256_of
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
        given: paths that the user named, by role; they replace fetched files. `tokenizer` is a
            folder, the others may be folders of .safetensors files.
    """

    release: Release
    given: Mapping[str, str | None]

    def located(self) -> list[LocatedFile]:
        """Return all files, whether they exist or not."""
        return [file for role, source in self._published() for file in self._locate(role, source)]

    def path(self, role: str) -> Path:
        """Return the path that a role is read from, a file or a folder of files."""
        if given := self.given.get(role):
            return Path(given)
        return next(file.path for file in self.located() if file.role == role)

    @property
    def tokenizer(self) -> Path:
        """Return the folder of the tokenizer's files."""
        return next(f.path.parent for f in self.located() if f.role.startswith(_TOKENIZER))

    def require(self) -> None:
        """Refuse to continue if a file is missing.

        Raises:
            MissingWeights: the first missing file, with the way to get it.
        """
        for file in self.located():
            require_file(file.path, self._remedy(file))

    def sha256(self) -> dict[str, str]:
        """Return the sha256 of every file, by role.

        Raises:
            MissingWeights: the first missing file, with the way to get it.
        """
        return {file.role: sha256_of(file.path, self._remedy(file)) for file in self.located()}

    def are_published(self) -> bool:
        """Return whether the content of every file is what its authors published.

        Where no hash of theirs is known here, a file of the weights folder counts as theirs.
        """
        found = self.sha256()
        return all(
            found.get(role) == source.sha256 if source.sha256 else self.given.get(role) is None
            for role, source in self._published()
        )

    def _published(self) -> Iterator[tuple[str, WeightsFile]]:
        yield "generator", self.release.generator
        if self.release.lora is not None:
            yield "lora", self.release.lora
        yield "vae", catalogue.VAE
        yield "text_encoder", catalogue.TEXT_ENCODER
        for source in catalogue.TOKENIZER:
            yield f"{_TOKENIZER}{PurePosixPath(source.file).name}", source

    def _locate(self, role: str, source: WeightsFile) -> list[LocatedFile]:
        argument, _, name = role.partition("/")
        given = self.given.get(argument)
        if given is None:
            return [LocatedFile(role, source.path, source)]
        path = Path(given)
        if name:
            return [LocatedFile(role, path / name, None)]
        if path.is_dir():
            files = sorted(path.glob(SHARDS)) or [path / SHARDS]
            return [LocatedFile(f"{role}/{file.name}", file, None) for file in files]
        return [LocatedFile(role, path, None)]

    def _remedy(self, file: LocatedFile) -> str:
        if file.source is None:
            return f"backbone.{file.role.partition('/')[0]} names it."
        return f"To get it: python -m harness fetch-weights backbone={self.release.name}"

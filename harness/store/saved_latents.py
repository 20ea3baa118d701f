"""Clean latents on disk with the plans of their blocks: chunks of an unfinished unit, or all of it.

Each file contains the sha256 of its content, so that a rollout never continues from bytes that
changed on disk or from the file of another unit.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import StoreError
from harness.core.files import replacing
from harness.core.typed_files import from_json

if TYPE_CHECKING:
    from torch import Tensor


_KEY = "longtake"


@dataclass(frozen=True)
class _Header:
    """The text beside the tensor; see `SavedLatents`."""

    sha256: str
    trace: tuple[str, ...]


@dataclass(frozen=True)
class SavedLatents:
    """Consecutive latent frames of a unit.

    Attributes:
        unit_id: the unit.
        first_frame: latent frame they begin with.
        latents: [frame, channel, height, width].
        trace: lines of trace.jsonl, one per block.
    """

    unit_id: str
    first_frame: int
    latents: Tensor
    trace: tuple[str, ...]

    def sha256(self) -> str:
        """Hash everything that a continued rollout depends on."""
        import torch

        latents = self.latents.contiguous()
        digest = hashlib.sha256()
        for part in (self.unit_id, self.first_frame, latents.dtype, tuple(latents.shape)):
            digest.update(f"{part}\n".encode())
        digest.update("\n".join(self.trace).encode())
        digest.update(latents.view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def write(self, path: Path) -> None:
        """Put the file in place atomically.

        Raises:
            OSError: it cannot be written.
        """
        from safetensors.torch import save_file

        header = json.dumps(asdict(_Header(self.sha256(), self.trace)))
        with replacing(path) as temporary:
            # One entry: safetensors writes several in any order, and equal units have equal bytes.
            save_file({"latents": self.latents.contiguous()}, temporary, {_KEY: header})

    @classmethod
    def read(cls, path: Path, unit_id: str, first_frame: int) -> SavedLatents:
        """Read a file and compare it with its digest.

        Args:
            path: the file.
            unit_id: unit that it must belong to.
            first_frame: latent frame that it must begin with.

        Raises:
            FileNotFoundError: there is no such file.
            StoreError: it cannot be read, or its content changed; one line.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                header = (file.metadata() or {}).get(_KEY)
                latents = file.get_tensor("latents")
        except FileNotFoundError:
            raise
        except (SafetensorError, OSError) as error:
            raise StoreError(f"{path}: {' '.join(str(error).split())}") from error
        if header is None:
            raise StoreError(f"{path}: no digest")
        known = from_json(header, _Header, str(path))
        saved = cls(unit_id, first_frame, latents, known.trace)
        # The unit and the place are part of the digest, so a file of another unit does not match.
        if known.sha256 != saved.sha256():
            raise StoreError(f"{path}: damaged (checksum mismatch)")
        return saved

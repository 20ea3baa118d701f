"""A guard around torch.jit.load for the official code, which loads CLIP with it.

Loading a TorchScript archive runs code of the archive, so only the published files may be loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eval.vbench_long.layout import ALL_FILES

_PUBLISHED = {file.sha256 for file in ALL_FILES if file.sha256}


def loading_published(load: Callable[..., Any]) -> Callable[..., Any]:
    """Return `load`, torch.jit.load, such that it refuses files of another content.

    It raises RuntimeError, as torch.jit.load does for a file that is not an archive: CLIP's loader
    then reads the file as a plain state_dict.
    """

    def checked(file: Any, *arguments: Any, **options: Any) -> Any:
        if hasattr(file, "read"):
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            name = getattr(file, "name", "a file")
        else:
            with Path(file).open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            name = file
        if digest not in _PUBLISHED:
            raise RuntimeError(
                f"{name} is not the published file (sha256 {digest[:12]}...), so the code in it is "
                "not run"
            )
        return load(file, *arguments, **options)

    return checked

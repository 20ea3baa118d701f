"""Outputs of networks on disk, by clip and network, so that no network runs twice on a clip.

One file per clip holds the outputs of all networks, which keeps the number of files low. The file
is replaced as a whole and not locked. If two workers write the same clip at once, the later one
drops the entry of the other, which is then computed again on demand.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eval.clip import Clip
from eval.network import Network
from harness.core.files import replacing


class OutputCache:
    """Reads and writes the outputs of networks.

    Args:
        root: folder of the files; None keeps nothing.
        device: torch device; outputs of a GPU and of a CPU have different keys.
    """

    def __init__(self, root: Path | None, device: str) -> None:
        self._root = root
        self._device = device
        self._keys: dict[str, str] = {}

    def key(self, network: Network) -> str:
        """Return the key of a network, which is computed once: it hashes weights."""
        if network.name not in self._keys:
            self._keys[network.name] = network.key(self._device)
        return self._keys[network.name]

    def get(self, network: Network, clip: Clip, clip_sha256: str) -> np.ndarray | None:
        """Return the output of `network` on `clip`; None if it is missing or damaged."""
        if self._root is None:
            return None
        path = self._path(self._root, network, clip, clip_sha256)
        return _read(path).get(self.key(network))

    def put(self, network: Network, clip: Clip, clip_sha256: str, output: np.ndarray) -> None:
        """Add an output."""
        if self._root is None:
            return
        path = self._path(self._root, network, clip, clip_sha256)
        arrays = _read(path) | {self.key(network): output}
        with replacing(path) as fresh:
            np.savez(fresh, **arrays)  # type: ignore[arg-type]

    def _path(self, root: Path, network: Network, clip: Clip, clip_sha256: str) -> Path:
        """Return the file of a clip, or of a prompt for the networks that read it."""
        if network.reads_prompt:
            seen: Sequence[object] = ("prompt", clip.prompt)
        else:
            # Clips of other shapes or rates can have the same bytes: black frames, for example.
            seen = ("frames", clip.frames_FHWC.shape, clip.fps, clip_sha256)
        if getattr(network, "reads_before", False):
            before = hashlib.sha256(np.ascontiguousarray(clip.before_FHWC).data).hexdigest()
            seen = (*seen, clip.start_frame, len(clip.before_FHWC), before)
        digest = hashlib.sha256(repr(seen).encode()).hexdigest()
        return root / digest[:2] / f"{digest[2:40]}.npz"


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError):
        return {}

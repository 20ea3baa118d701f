"""Weights files of the metrics of a suite, and downloading them."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from backbones.engine.backbone import LocatedFile
from eval.metric import Network, networks_of, opening_networks_of
from eval.networks.lpips import LPIPS
from eval.networks.weights import LayoutFile
from eval.scoring.suite import METRICS, find_suite
from harness.core.fetch import FetchError, OnBytes, fetch
from harness.core.files import cache_root, replacing
from harness.core.weights_files import WeightsFile

FIDELITY = "fidelity"


def suite_files(suites: Iterable[str]) -> list[LocatedFile]:
    """Return the weights files of all metrics of some suites, shared ones once.

    "fidelity" names those of the command `fidelity`.

    Raises:
        UnknownName: an unknown suite; names the nearest.
    """
    found: dict[Path, LocatedFile] = {}
    for suite in suites:
        for network in [LPIPS] if suite == FIDELITY else _networks(suite):
            for file in getattr(network, "files", ()):
                found.setdefault(file.path, LocatedFile(network.name, file.path, file))
    return list(found.values())


def _networks(suite: str) -> Iterator[Network]:
    for entry in find_suite(suite).metrics:
        metric = METRICS.load(entry)()
        yield from (*networks_of(metric), *opening_networks_of(metric))


def fetch_or_unpack(source: WeightsFile, path: Path, on_bytes: OnBytes) -> bool:
    """Fetch a file or, if it comes in an archive, fetch the archive and unpack the file.

    The archive is kept in the cache folder, because several files may come from it.

    Args:
        source: the file, and where it is published.
        path: destination.
        on_bytes: as `harness.core.fetch.fetch`.

    Returns:
        True if the sha256 of the file was known and compared; False for an unpacked file.

    Raises:
        FetchError: as `fetch`, or the archive does not contain the file.
    """
    if not (isinstance(source, LayoutFile) and source.member):
        return fetch(source, path, on_bytes)
    name = hashlib.sha256(source.url.encode()).hexdigest()[:16]
    archive = cache_root() / "archives" / f"{name}.zip"
    if not archive.is_file():
        fetch(replace(source, member=""), archive, on_bytes)
    try:
        with (
            zipfile.ZipFile(archive) as content,
            content.open(source.member) as packed,
            replacing(path) as fresh,
            fresh.open("wb") as file,
        ):
            shutil.copyfileobj(packed, file)
    except (zipfile.BadZipFile, KeyError) as error:
        archive.unlink()
        raise FetchError(
            f"{source.url} is not an archive that contains {source.member}: {error}"
        ) from error
    return False

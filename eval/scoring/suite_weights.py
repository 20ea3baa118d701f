"""The weights files of metrics, for `fetch-weights suite=...`."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from backbones.engine.backbone import LocatedFile
from eval.metric import networks_of, opening_networks_of
from eval.networks.weights import LayoutFile
from eval.scoring.suite import METRICS, find_suite
from harness.core.fetch import FetchError, OnBytes, fetch
from harness.core.files import cache_root, replacing
from harness.core.weights_files import WeightsFile


def suite_files(suites: Iterable[str]) -> list[LocatedFile]:
    """Weights files of all metrics of suites, shared ones once.

    Raises:
        LongtakeError: an unknown suite.
    """
    found: dict[Path, LocatedFile] = {}
    for suite in suites:
        for entry in find_suite(suite).metrics:
            metric = METRICS.load(entry)()
            for network in (*networks_of(metric), *opening_networks_of(metric)):
                for file in getattr(network, "files", ()):
                    found.setdefault(file.path, LocatedFile(network.name, file.path, file))
    return list(found.values())


def fetch_or_unpack(source: WeightsFile, path: Path, on_bytes: OnBytes) -> bool:
    """Like `harness.core.fetch.fetch`; a file inside an archive is unpacked from it.

    The archive is kept in the cache folder: several files may come from it.

    Raises:
        FetchError: as `fetch`, or the archive does not hold the file.
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
        raise FetchError(f"{source.url} is no archive with {source.member}: {error}") from error
    return False

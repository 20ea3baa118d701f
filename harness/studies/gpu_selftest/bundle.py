"""Packs what a machine with torch, numpy, safetensors and rich needs to run the self-test.

`python -m harness.studies.gpu_selftest.bundle FILE`; `make gpu-bundle` calls it. The packages that
only name shapes are packed as well, because they are small and of Python alone.
"""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from harness.core.version import __version__

_ROOT = Path(__file__).parents[3]
_OURS = ("harness", "backbones", "methods", "eval")
_PACKED_TOO = ("jaxtyping", "wadler_lindig")
_SUFFIXES = (".py", ".typed")
_LIMIT_BYTES = 20 * 10**6
_COMMAND = "python -m harness.studies.gpu_selftest --json selftest.json"


def pack(target: Path) -> int:
    """Write the bundle; return its bytes."""
    name = f"longtake-selftest-{__version__}"
    with tarfile.open(target, "w:gz") as bundle:
        for path, inside in _files():
            bundle.add(path, f"{name}/{inside}", filter=_without_owner)
    num_bytes = target.stat().st_size
    assert num_bytes < _LIMIT_BYTES, f"{num_bytes} bytes: something large was packed"
    return num_bytes


def _files() -> Iterator[tuple[Path, Path]]:
    for package in _OURS:
        yield from _sources(_ROOT / package)
    for package in _PACKED_TOO:
        installed = distribution(package)
        for file in installed.files or ():  # with its licence
            if file.suffix != ".pyc":
                yield Path(str(installed.locate_file(file))), Path(file)
    yield _ROOT / "LICENSE", Path("LICENSE")


def _sources(package: Path) -> Iterator[tuple[Path, Path]]:
    for path in sorted(package.rglob("*")):
        if path.suffix in _SUFFIXES:
            yield path, path.relative_to(package.parent)


def _without_owner(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info


def main() -> int:
    """Pack the file that the command line names, and say how to use it."""
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    size_mib = pack(target) / 2**20
    print(f"{target}: {size_mib:.1f} MiB. Copy it to the GPU machine, and there:")
    print(f"  tar -xzf {target.name} && cd longtake-selftest-{__version__}")
    print(f"  {_COMMAND}")
    print("It needs Python 3.11 or later with torch, numpy, safetensors and rich, and no network.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The registry: names, sources, identities."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from harness.core.errors import LongtakeError
from harness.core.registry import Registry

PLUGIN = "class Own:\n    '''Own.'''\n"


@pytest.fixture
def registry() -> Registry:
    return Registry("thing", {"errors": "harness.core.errors:LongtakeError"}, "longtake.nothing")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of the user's in the search path."""
    path = tmp_path / "own_thing.py"
    path.write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield path
    sys.modules.pop("own_thing", None)


def test_identity_of_a_built_in_is_its_name(registry: Registry) -> None:
    assert registry.identity("errors") == {"name": "errors"}
    assert registry.identity("harness.core.errors:LongtakeError") == {"name": "errors"}


def test_identity_of_another_plug_in_is_its_source(registry: Registry, own: Path) -> None:
    digest = hashlib.sha256(PLUGIN.encode()).hexdigest()
    assert registry.identity("own_thing:Own") == {"name": "Own", "source_sha256": digest}


def test_identity_does_not_depend_on_where_the_module_lies(
    registry: Registry, own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = registry.identity("own_thing:Own")
    own.rename(tmp_path / "moved_thing.py")
    assert registry.identity("moved_thing:Own") == before


def test_editing_a_plug_in_changes_its_identity(registry: Registry, own: Path) -> None:
    before = registry.identity("own_thing:Own")
    own.write_text(PLUGIN + "# edited\n")
    assert registry.identity("own_thing:Own") != before


def test_a_module_that_is_not_there_is_named(registry: Registry) -> None:
    with pytest.raises(LongtakeError, match="no module 'gone_thing'"):
        registry.identity("gone_thing:Own")

"""The registry: names, sources, identities."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.core.errors import LongtakeError, UnknownName
from harness.core.registry import PluginError, Registry
from tests.harness.support import install_distribution

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


def test_a_missing_module_is_named(registry: Registry) -> None:
    with pytest.raises(LongtakeError, match="no module 'gone_thing'"):
        registry.identity("gone_thing:Own")


SHADOW = {"shadow_own.py": PLUGIN}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install a distribution with plug-ins, as an installer would lay out its files."""
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path / "cache"))

    made: set[str] = set()

    def installed(name: str, points: dict[str, str], sources: dict[str, str]) -> None:
        install_distribution(tmp_path / name, name, {"longtake.nothing": points}, sources)
        monkeypatch.syspath_prepend(str(tmp_path / name))
        made.update(module.partition("/")[0].removesuffix(".py") for module in sources)

    yield installed
    for module in [name for name in sys.modules if name.partition(".")[0] in made]:
        del sys.modules[module]


def test_a_plug_in_of_another_distribution_is_found_by_its_name(registry, install) -> None:
    install("outside", {"own": "outside_own:Own"}, {"outside_own.py": PLUGIN})
    assert registry.names() == ["errors", "own"]
    assert registry.load("own").__doc__ == registry.load("outside:own").__doc__ == "Own."
    assert registry.summary("own") == "Own."
    assert registry.entries()["own"].origin == "outside"
    assert not registry.conflicts() and not registry.problems()


def test_a_name_that_shadows_a_built_in_is_refused_when_it_is_used(registry, install) -> None:
    install("Out_Side", {"errors": "shadow_own:Own", "fine": "shadow_own:Own"}, SHADOW)
    expected = (
        r"thing 'errors' is registered by longtake \(harness.core.errors:LongtakeError\) and "
        r"out-side \(shadow_own:Own\); write longtake:errors or out-side:errors."
    )
    for ask in (registry.load, registry.target, registry.identity):
        with pytest.raises(PluginError, match=expected):
            ask("errors")
    assert len(registry.conflicts()) == 1
    assert registry.load("longtake:errors") is LongtakeError
    assert registry.load("out-side:errors").__name__ == "Own"
    assert registry.load("fine").__name__ == "Own", "the rest of the distribution works"
    assert registry.names() == ["fine", "longtake:errors", "out-side:errors"]
    assert registry.own_name("errors") == "longtake:errors"
    assert registry.identity("longtake:errors") == {"name": "errors"}, "no unit is made again"


def test_two_plug_ins_of_one_name_are_known_by_their_distribution(registry, install) -> None:
    install("one", {"own": "first_own:Own"}, {"first_own.py": PLUGIN})
    install("two", {"own": "second_own:Own"}, {"second_own.py": PLUGIN.replace("Own.", "Two.")})
    with pytest.raises(PluginError, match="write two:own or one:own"):
        registry.load("own")
    assert registry.load("one:own").__doc__ == "Own."
    assert registry.load("two:own").__doc__ == "Two."
    assert registry.load("errors") is LongtakeError
    assert registry.own_name("errors") == "errors"


def test_an_installation_found_twice_is_no_conflict(registry, install) -> None:
    for name in ("one", "two"):
        install(name, {"own": "first_own:Own"}, {"first_own.py": PLUGIN})
    assert registry.load("own").__name__ == "Own"
    assert not registry.conflicts()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("def broken(:", "SyntaxError: "),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("from harness.core.errors import Missing", "ImportError: cannot import name 'Missing'"),
    ],
)
def test_a_plug_in_that_fails_on_import_is_one_line_with_its_traceback_in_a_file(
    registry, install, source: str, reason: str
) -> None:
    install("outside", {"own": "broken_own:Own"}, {"broken_own.py": source})
    with pytest.raises(PluginError) as raised:
        registry.load("own")
    message = str(raised.value)
    assert message.startswith("thing 'own' of outside: importing broken_own fails: ")
    assert reason in message and "\n" not in message
    kept = Path(message.rpartition("Traceback: ")[2])
    assert "broken_own.py" in kept.read_text()
    assert registry.problems() == {"own": message}
    assert registry.load("errors") is LongtakeError, "the rest works"


def test_a_plug_in_that_lacks_a_module_names_it(registry, install) -> None:
    install("outside", {"own": "needy_own:Own"}, {"needy_own.py": "import not_there_at_all\n"})
    with pytest.raises(PluginError, match="of outside needs the module 'not_there_at_all'"):
        registry.load("own")


def test_an_entry_point_to_nothing_is_one_line(registry, install) -> None:
    points = {"gone": "gone_module:Own", "lost": "found_own:Lost"}
    install("outside", points, {"found_own.py": PLUGIN})
    with pytest.raises(PluginError, match="'gone' of outside needs the module 'gone_module'"):
        registry.load("gone")
    with pytest.raises(PluginError, match="thing 'lost' of outside: found_own has no 'Lost'"):
        registry.load("lost")
    assert set(registry.problems()) == {"gone", "lost"}
    assert registry.summary("gone") == "not installed: no module 'gone_module'"


def test_summaries_run_no_code_of_a_plug_in(registry, install) -> None:
    sources = {"rude/__init__.py": "raise SystemExit", "rude/own.py": PLUGIN, "odd.py": "def ("}
    install("outside", {"own": "rude.own:Own", "odd": "odd:Own", "deep": "odd.own:Own"}, sources)
    assert registry.summary("own") == "Own."
    assert registry.summary("odd").startswith("cannot be read: SyntaxError")
    assert registry.summary("deep") == "not installed: no module 'odd.own'"
    assert len(registry.identity("own")["source_sha256"]) == 64


def test_a_plug_in_without_a_part_of_the_contract_is_refused(install) -> None:
    registry = Registry("thing", {}, "longtake.nothing", contract=("plan", "__doc__"))
    install("outside", {"own": "bare_own:Own"}, {"bare_own.py": PLUGIN})
    with pytest.raises(PluginError, match="thing 'own' of outside lacks plan"):
        registry.load("own")


def test_an_unknown_name_suggests_the_nearest(registry) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'errors'"):
        registry.load("erors")


def test_a_path_is_not_a_module(registry) -> None:
    with pytest.raises(PluginError, match="write module:Class"):
        registry.load("./own_thing.py:Own")

"""The commands and the Python code in README and docs run; their links and settings exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.__main__ import main
from tests.harness.support import copy_rollout
from tests.small import WEIGHTS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
# Dotted names of other things, and arguments of a plug-in that a page writes.
NO_SETTINGS = ("torch.compile", "facts.source", "method.step_latents")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of the blocks of a page that are run, in order."""
    found = re.findall(r"^```(bash|python)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    assert len(found) == len(re.findall(r"^ *```(?:bash|python)", page.read_text(), re.MULTILINE))
    return found


def run(line: str) -> int:
    """Run a command of a page: one of Longtake's in this process, which saves its imports.

    The command is what is tested: those that make videos get a model that takes less time.
    """
    assert line.startswith("python "), line
    program, *arguments = shlex.split(line)
    if {"sweep", "generate", "latents", "bench"} & set(arguments[2:4]):
        arguments += quick_model(arguments)
    if (program, *arguments[:2]) != ("python", "-m", "harness"):
        return subprocess.run([sys.executable, *arguments], check=False).returncode
    try:
        return main(arguments[2:])
    except SystemExit as stop:
        return int(stop.code or 0)


def quick_model(arguments: Sequence[str]) -> Sequence[str]:
    """Return the small weights of the street for a command whose backbone it is."""
    chosen = (argument for argument in arguments if argument.startswith("backbone"))
    street = ("backbone=street", "backbone.denoising_step_list=[1000]")
    return [f"backbone.weights={WEIGHTS}"] if all(one in street for one in chosen) else []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_code_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """All blocks run in order and in one folder, and Python code keeps its names.

    A block of Python that begins with the name of a file is saved at the start instead of run.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    if "tests/golden" in page.read_text():
        (tmp_path / "tests/golden").mkdir(parents=True)
        copy_rollout("rag_avg_pool", tmp_path / "tests/golden", 21)  # one block that retrieves
    to_run = []
    for language, code in blocks(page):
        if language == "python" and (file := re.match(r"# (\w+\.py)\n", code)):
            (tmp_path / file[1]).write_text(code)
        else:
            to_run.append((language, code))
    names: dict[str, object] = {}
    for language, code in to_run:
        if language == "python":
            exec(compile(code, page.name, "exec"), names)
            continue
        for line in code.splitlines():
            assert run(line) == 0, f"{line}\n{''.join(capfd.readouterr())}"


def test_the_demo_of_the_makefile_is_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    settings = re.findall(r"^DEMO := (.*)$", makefile, re.MULTILINE)
    assert len(settings) == 1
    assert run(f"python -m harness sweep --dry-run {settings[0]}") == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_method_of_the_table_exists() -> None:
    from harness.config.options import options

    table = (ROOT / "docs" / "strategies.md").read_text()
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`(\w+)`", " ".join(first_cells)))
    assert named | {"sliding_window_absolute"} == set(options("method"))


def test_every_setting_that_pages_and_help_name_exists() -> None:
    known = set(known_settings())
    leaves = {key.rpartition(".")[2] for key in known if "." in key}
    groups = {key.partition(".")[0] for key in known if "." in key}
    wrong = []
    for place, text in texts():
        for span in (*re.findall(r"`([^`\n]+)`", text), *words_of_commands(text)):
            key = re.match(r"([a-z_]+(?:\.[a-z_]+)*)(=|$)", span)
            if key is None:
                continue
            name, equals = key.groups()
            group, _, leaf = name.partition(".")
            is_setting = equals or (leaf and (group in groups or leaf.split(".")[-1] in leaves))
            if is_setting and name not in known and name not in NO_SETTINGS:
                wrong.append(f"{place}: {span}")
    assert not wrong


def texts() -> Iterator[tuple[str, str]]:
    """Yield the pages, the help of every command and option, and the comments of settings."""
    import inspect

    from harness.cli.app import DEV, GROUPS

    yield from ((page.name, page.read_text()) for page in PAGES)
    for page in (ROOT / "harness").rglob("*.yaml"):
        words = re.findall(r"(?<=[\s(])[a-z_.]{3,}=", " ".join(re.findall("#.*", page.read_text())))
        yield page.name, " ".join(f"`{word}`" for word in words if word != "key=")
    for command in (*(c for commands in GROUPS.values() for c in commands.values()), *DEV.values()):
        yield command.__name__, inspect.getdoc(command) or ""
        for parameter in inspect.signature(command, eval_str=True).parameters.values():
            for option in getattr(parameter.annotation, "__metadata__", ()):
                yield f"{command.__name__} {parameter.name}", getattr(option, "help", None) or ""


def words_of_commands(text: str) -> Iterator[str]:
    """Yield the words `key=value` of command lines, also of those that are not run."""
    for line in re.findall(r"python -m harness ((?:[^\n`]|\\\n)+)", text):
        yield from re.findall(r"(?<=\s)[a-z_][a-z_.]*=", line)


def known_settings() -> Iterator[str]:
    """Yield every key of a sweep and a training, and every option of a command."""
    import typer

    from backbones import BACKBONES
    from harness.cli.app import app
    from harness.config.prompts import PromptSettings
    from harness.config.sweep import Settings
    from harness.core.schema import with_defaults
    from harness.studies.encoders.run_config import EncoderRun
    from harness.studies.worlds.run_config import WorldRun
    from methods import METHODS

    yield from ("experiment", "num", "out", "shard_videos", "backbone", "method", "prompts")
    yield "method.switch"
    yield from dotted(with_defaults(Settings))
    yield from dotted(with_defaults(EncoderRun))
    yield from dotted(with_defaults(WorldRun))
    yield from dotted({"prompts": with_defaults(PromptSettings)})
    for group, registry in (("backbone", BACKBONES), ("method", METHODS)):
        for name in registry.names():
            yield from dotted({group: with_defaults(registry.load(name))})
    commands = [typer.main.get_command(app)]
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        yield from (parameter.name for parameter in command.params)


def dotted(values: dict, prefix: str = "") -> Iterator[str]:
    """Yield the keys of nested values, with dots."""
    for key, value in values.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from dotted(value, f"{prefix}{key}.")

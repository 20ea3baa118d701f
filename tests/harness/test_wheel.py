"""The wheel holds what a user needs and works in any folder, without the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import harness
from harness.core.own_packages import OWN_PACKAGES
from tests.harness.support import FAST, FOREIGN, add_foreign

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGES = ("harness", *OWN_PACKAGES)
CHECKOUT_ONLY = ("slurm/testcluster", "eval/vbench_long/official_code", "harness/studies/official")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that sees nothing of the checkout or of these tests."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def source_files() -> set[str]:
    """Files of our packages, by their paths in the checkout."""
    return {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, since building leaves a folder behind whose files the next wheel would contain.
    source = folder / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=ignore)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    built = run(*PIP, "wheel", *options, "--wheel-dir", folder, source, folder=folder)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel and the dependencies of this one."""
    environment = tmp_path_factory.mktemp("environment")
    made = run(sys.executable, "-m", "venv", "--without-pip", environment, folder=environment)
    assert made.returncode == 0, made.stderr
    python = environment / "bin" / "python"
    installed = run(
        *PIP, "--python", python, "install", "--no-deps", "--no-index", wheel, folder=environment
    )
    assert installed.returncode == 0, installed.stderr
    # A folder named in a .pth file is searched, but its own .pth files are not read: one of them
    # may be that of an editable installation of the checkout.
    places = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    own = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=ROOT)
    (Path(own.stdout.strip()) / "dependencies.pth").write_text("\n".join(places))
    return environment / "bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with something of every name of our packages that must not be imported."""
    for name, kind in zip(OWN_PACKAGES, (*FOREIGN, "package"), strict=True):
        add_foreign(tmp_path, name, kind)
    return tmp_path


def test_the_wheel_holds_our_packages_and_only_what_users_need(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    metadata = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
    expected = {name for name in source_files() if not name.startswith(CHECKOUT_ONLY)}
    assert names - metadata == expected
    assert any(name.endswith("licenses/LICENSE") for name in metadata)
    assert wheel.stat().st_size < 100 * 10**6  # what PyPI takes


def test_every_package_says_that_it_is_typed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert {f"{package}/py.typed" for package in PACKAGES} <= set(archive.namelist())


def test_programs_of_users_are_type_checked(programs: Path, tmp_path: Path) -> None:
    for program in (Path(__file__).with_name("consumer.py"), *(ROOT / "examples").glob("*.py")):
        shutil.copy(program, tmp_path)
    # Torch does not say what its modules return.
    config = "[mypy]\nstrict = true\n[mypy-own_model]\nwarn_return_any = false\n"
    (tmp_path / "mypy.ini").write_text(config)
    programs_of_users = sorted(path.name for path in tmp_path.glob("*.py"))
    mypy = (sys.executable, "-m", "mypy", "--python-executable", programs / "python")
    checked = run(*mypy, *programs_of_users, folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    words = re.findall(r"\w+", (tmp_path / "consumer.py").read_text())
    assert set(harness.__all__) <= set(words)


def test_the_program_is_the_installed_one(programs: Path, folder: Path) -> None:
    code = "import harness, reports; print(harness.__file__, reports.__file__)"
    found = run(programs / "python", "-c", code, folder=folder)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count(str(programs.parent)) == 2
    assert run(programs / "python", "-c", "import tests", folder=folder).returncode == 1


@pytest.mark.parametrize("program", ["longtake", "python -m harness"])
@pytest.mark.parametrize(
    ("command", "said"),
    [("--help", "Usage:"), ("list", "rag_autoencoder"), ("doctor", "street, encoder")],
)
def test_commands_run(programs: Path, folder: Path, program: str, command: str, said: str) -> None:
    name, *options = program.split()
    ended = run(programs / name, *options, command, folder=folder)
    assert ended.returncode == 0, ended.stderr
    assert said in ended.stdout
    assert "not installed: no module" not in ended.stdout


def test_a_sweep_in_worker_processes_ends_with_its_report(programs: Path, folder: Path) -> None:
    settings = [*FAST, "method=sliding_window,rag", "suite=sharpness_retention"]
    made = run(programs / "longtake", "sweep", *settings, "executor=processes", folder=folder)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "2 units, 0 failed" in made.stdout
    assert (folder / "runs" / "main" / "report" / "index.html").is_file()


@pytest.mark.parametrize("command", ["dev bench-metrics video=a.mp4", "eval engine=official"])
def test_comparisons_with_the_official_code_need_a_checkout(
    programs: Path, folder: Path, command: str
) -> None:
    (folder / "runs" / "main").mkdir(parents=True)
    (folder / "runs" / "main" / "units.jsonl").touch()
    sweep = ["sweep=runs/main", "duration=3"] if command.startswith("eval") else []
    ended = run(programs / "longtake", *command.split(), *sweep, folder=folder)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("error: ") and ended.stderr.count("\n") == 1
    assert "needs a checkout" in ended.stderr

"""A check that hangs, dies or loses the device costs its own line only."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from harness.core.errors import DeviceError, LongtakeError
from harness.studies.gpu_selftest import __main__, report
from harness.studies.gpu_selftest.checks import CHECKS as REAL_CHECKS
from harness.studies.gpu_selftest.claims import CheckResult, Outcome, Verdict
from harness.studies.gpu_selftest.command import selftest
from harness.studies.gpu_selftest.runner import Run, chosen, run_checks
from tests.harness.studies.gpu_selftest.tables import CHECKS

ROOT = Path(__file__).parents[4]
# All that a bare GPU machine has; what these require comes with them.
INSTALLED = ("torch", "numpy", "safetensors", "rich")


@pytest.mark.slow
def test_every_way_to_end_is_one_line() -> None:
    run = Run("cpu", CHECKS, "tests.harness.studies.gpu_selftest.tables:CHECKS")
    results = {result.name: result for result in run_checks(run)}
    assert list(results) == [check.name for check in CHECKS]
    verdicts = {name: result.verdict for name, result in results.items()}
    assert verdicts == {
        "passes": Verdict.passed,
        "fails": Verdict.failed,
        "raises": Verdict.failed,
        "hangs": Verdict.failed,
        "after-hang": Verdict.passed,
        "dies": Verdict.failed,
        "loses-the-device": Verdict.failed,
        "lacks-a-package": Verdict.not_installed,
        "lacks-a-device": Verdict.not_here,
    }
    assert results["passes"].figures == {"device": "cpu"}
    assert results["fails"].figure == "error nan (<= 1)"
    assert results["raises"].figure == "ValueError: broken"
    assert "raises" in results["raises"].details
    assert results["hangs"].figure.startswith("not done after")
    assert results["dies"].figure.startswith("the process ended with status -9")
    everything = list(results.values())
    assert report.exit_code(everything) == 1
    assert json.loads(json.dumps(report.document(everything, {"device": "cpu"}), allow_nan=False))
    assert report.summary(everything).startswith("2 PASS, 5 FAIL, 1 not installed, 1 not here")


def test_an_unusable_device_is_one_error_and_in_the_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found.json"
    with pytest.raises(DeviceError, match=r"device='cuda:99', but this machine has"):
        selftest(quick=False, only=(), device="cuda:99", json_file=file)
    document = json.loads(file.read_text())
    given = {"device": "cuda:99", "quick": False, "only": []}
    assert given.items() <= document.items()
    assert document["checks"] == [] and "cuda:99" in document["refused"]
    assert capsys.readouterr().out == ""


def test_json_that_cannot_be_written_is_one_line_before_the_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    target = str(tmp_path / "file" / "found.json")
    monkeypatch.setattr(sys, "argv", ["selftest", "--device", "cpu", "--json", target])
    assert __main__.main() == 3
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("error: ") and len(told.err.splitlines()) == 1


def test_the_exit_code_needs_a_check_that_passed() -> None:
    passed = CheckResult("a", Verdict.passed, "", 0)
    absent = CheckResult("b", Verdict.not_here, "", 0)
    failed = CheckResult("c", Verdict.failed, "", 0)
    assert report.exit_code([passed, absent]) == 0
    assert report.exit_code([absent]) == 1
    assert report.exit_code([passed, failed]) == 1


def test_a_check_without_a_claim_cannot_be() -> None:
    with pytest.raises(ValueError, match="cannot fail"):
        Outcome.of([])


def test_checks_are_chosen_by_name_or_speed() -> None:
    assert [check.name for check in chosen(REAL_CHECKS, False, ["tiers"])] == ["tiers"]
    assert all(check.quick for check in chosen(REAL_CHECKS, True, []))
    with pytest.raises(LongtakeError, match="Did you mean 'decoder'"):
        chosen(REAL_CHECKS, False, ["decode"])


def with_requirements(name: str) -> set[str]:
    """A distribution and all that it requires here."""
    required = {
        re.split(r"[^\w.-]", line)[0]
        for line in distribution(name).requires or ()
        if "extra ==" not in line
    }
    found = {name}
    for other in required:
        with contextlib.suppress(PackageNotFoundError):  # of another system or Python
            found |= with_requirements(other)
    return found


def bare_python(folder: Path) -> Path:
    """An environment in which only `INSTALLED` is, by links to what is installed here."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in set().union(*map(with_requirements, INSTALLED)):
        installed = distribution(name)
        for top in {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}:
            source = Path(str(installed.locate_file(top)))
            if source.exists() and not (site / top).exists():
                (site / top).symlink_to(source)
    return folder / "bin" / "python"


@pytest.mark.slow
def test_the_bundle_runs_where_only_torch_is_installed(tmp_path: Path) -> None:
    bundle, empty = tmp_path / "bundle.tar.gz", tmp_path / "empty"
    built = subprocess.run(
        [sys.executable, "-m", "harness.studies.gpu_selftest.bundle", str(bundle)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "python -m harness.studies.gpu_selftest --json selftest.json" in built.stdout
    assert bundle.stat().st_size < 20e6
    empty.mkdir()
    subprocess.run(["tar", "-xzf", str(bundle), "-C", str(empty)], check=True)
    (folder,) = empty.iterdir()
    assert not [path for path in folder.rglob("*") if path.suffix in (".safetensors", ".pth")]
    python = bare_python(tmp_path / "venv")
    for package in ("av", "hydra", "jaxtyping", "msgspec", "psutil", "submitit", "typer"):
        missing = [str(python), "-c", f"import {package}"]
        assert subprocess.run(missing, capture_output=True, check=False).returncode == 1, package
    command = [str(python), "-m", "harness.studies.gpu_selftest", "--device", "cpu", "--quick"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    run = subprocess.run(
        [*command, "--json", "selftest.json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    document = json.loads((folder / "selftest.json").read_text())
    verdicts = {check["name"]: check["verdict"] for check in document["checks"]}
    assert run.returncode == 0, run.stdout + run.stderr
    assert set(verdicts) == {check.name for check in REAL_CHECKS if check.quick}
    assert set(verdicts.values()) == {Verdict.passed, Verdict.not_here}
    assert run.stdout.splitlines()[-1] == "figures: selftest.json"

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from harness.__main__ import main
from reports.site.assets import Assets
from reports.site.build import ReportPaths
from tests.reports.synthetic import METHODS, write_store, write_video

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    write_video(root / "video.mp4", hue=0.5)
    write_store(root / "demo", dict.fromkeys(METHODS, root / "video.mp4"))
    return root / "demo"


def test_settings_reach_the_report(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list = []

    def build(folders, out, options, terminal):
        asked.extend((folders, out, options))
        return ReportPaths(tmp_path / "index.html", (), ())

    monkeypatch.setattr("harness.cli.report_view.build_with_bar", build)
    by_key = [f"sweep={store}", "out=site", "assets=copy", "quoted=a.yaml", "quoted=b.yaml"]
    assert main(["report", *by_key]) == 0
    by_option = [part for text in by_key for part in f"--{text}".split("=")]
    assert main(["report", *by_option]) == 0
    assert asked[:3] == asked[3:], "key=value and --key value are the same"
    folders, out, options = asked[:3]
    assert (folders, out) == ([store], Path("site"))
    assert options.assets is Assets.copy
    assert options.quoted == (Path("a.yaml"), Path("b.yaml"))


def test_mistakes_are_one_clear_line(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        ([], "report needs the name or the folder of a sweep"),
        ([f"sweep={store}", "assets=cpy"], "Did you mean 'copy'"),
        ([f"sweep={store.parent / 'dmo'}"], "Did you mean 'demo'"),
        ([f"swep={store}"], "Did you mean 'sweep'"),
        ([f"sweep={store}", "--wach"], "--watch"),
    ):
        assert main(["report", *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1, error


def test_unknown_baseline_is_one_line_and_exit_code_2(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", f"sweep={store}", "baseline=sliding"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(
        "error: Unknown baseline method 'sliding'. Did you mean 'sliding_window'"
    )
    assert error.count("\n") == 1


def test_serve_builds_answers_and_stops_on_ctrl_c(store: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "serve", f"sweep={store}", "port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address) as answer:
            assert b"Longtake" in answer.read()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()


def test_serve_refuses_an_invalid_port(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", f"sweep={store}", "port=http"]) == 2
    assert "'--port': Input should be a valid integer" in capsys.readouterr().err
    assert main(["serve", f"sweep={store}", "port=65536"]) == 2
    assert "less than or equal to 65535" in capsys.readouterr().err

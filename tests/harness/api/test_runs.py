from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

import harness
from harness.core.events import Emit, Event, EventKind
from tests.conftest import PROMPT
from tests.harness.api.conftest import QUICK
from tests.harness.support import video_hashes
from tests.slurm.fake_slurm import FakeSlurm

pytestmark = pytest.mark.slow

FAILING = """
from dataclasses import dataclass
from os import _exit
from methods.sliding_window import SlidingWindow

@dataclass
class Failing(SlidingWindow):
    def plan(self, first_frame):
        raise RuntimeError("no plan today")

@dataclass
class Leaving(SlidingWindow):
    def plan(self, first_frame):
        _exit(0)
"""


class Heard:
    """A listener that keeps events, and interrupts after the first block that it hears of."""

    def __init__(self, interrupts: bool = False) -> None:
        self.events: list[Event] = []
        self._interrupts = interrupts

    def say(self, text: str) -> None:
        """Drop the line."""

    @contextmanager
    def stage(
        self, title: str, amounts: Mapping[str, int], labels: Mapping[str, str]
    ) -> Iterator[Emit]:
        yield self._hear

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        if self._interrupts and event.amount:
            self._interrupts = False
            signal.raise_signal(signal.SIGINT)


def test_a_sweep_returns_store_and_records_without_printing(
    swept: harness.Result, capfd: pytest.CaptureFixture[str]
) -> None:
    assert capfd.readouterr().out == ""
    assert len(swept.records) == len(swept.videos) == 2
    assert not swept.failures and not swept.pending
    assert all(video.is_file() for video in swept.videos)
    assert all(record.generation for record in swept.records.values())


def test_a_sweep_makes_what_the_command_makes(folder: Path, cli) -> None:
    settings = (*QUICK, "method.memory_latents=2,4", "suite=[]", "device=cpu")
    made = harness.sweep(*settings, method=["rag"], duration=1.5, name="here")
    assert cli("sweep", "--no-report", *settings, "method=rag", "duration=1.5").code == 0
    assert video_hashes(made.store.folder) == video_hashes(folder / "runs/main")
    header = (made.store.folder / "sweep.yaml").read_text()
    assert "- sweep" in header and "- method=rag" in header  # what `resume` would repeat


def test_the_same_call_does_nothing_and_more_methods_add_up(folder: Path) -> None:
    first = harness.sweep(*QUICK, duration=1.5, suite=[], method="sliding_window")
    heard = Heard()
    again = harness.sweep(
        *QUICK, duration=1.5, suite=[], method=["sliding_window", "oldest"], progress=heard
    )
    assert [e.item for e in heard.events if e.kind is EventKind.done] == list(again.records)[1:]
    assert list(again.records)[:1] == list(first.records)
    assert len(again.store.units) == 2


def test_a_failed_unit_is_reported_and_the_others_are_made(folder: Path) -> None:
    (folder / "failing.py").write_text(FAILING)
    methods = ["failing:Failing", "failing:Leaving", "sliding_window"]
    result = harness.sweep(*QUICK, method=methods, duration=1.5, suite=[])
    assert len(result.records) == 1
    assert [text.split(" (")[0] for text in result.failures.values()] == [
        "RuntimeError: no plan today",
        "SystemExit: 0",
    ]
    failed = result.store.units[result.store.units["status"] == "failed"]
    assert list(failed["method"]) == ["Failing", "Leaving"]


def test_ctrl_c_saves_progress_and_the_same_call_continues(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="progress is saved"):
        harness.sweep(*QUICK, duration=3, suite=[], progress=Heard(interrupts=True))
    assert list((folder / "runs/main").glob("units/*/partial/*.safetensors"))
    heard = Heard()
    harness.sweep(*QUICK, duration=3, suite=[], progress=heard)
    assert any(event.replayed for event in heard.events)


def test_a_sweep_runs_in_any_thread(folder: Path) -> None:
    results: list[harness.Result] = []

    def work() -> None:
        results.append(harness.sweep(*QUICK, duration=1.5, suite=[]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(results[0].records) == 1


def test_progress_is_printed_where_it_is_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    harness.sweep(*QUICK, duration=1.5, suite=[], progress=True)
    assert "generate [1/1] street" in capsys.readouterr().out


def test_one_video_is_generated_and_not_scored(folder: Path) -> None:
    result = harness.generate(PROMPT, *QUICK[:1], method="rag", duration=1.5)
    (video,) = result.videos
    assert video.is_file() and video.is_absolute()
    assert result.store.scores.empty
    (record,) = result.records.values()
    assert record.prompt.text == PROMPT


def test_a_sweep_on_a_cluster_is_submitted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm = FakeSlurm(folder / "slurm")
    monkeypatch.setenv("PATH", slurm.path)
    result = harness.sweep(*QUICK, duration=1.5, executor="slurm")
    assert len(result.pending) == 1 and not result.records
    assert any(call.startswith("sbatch") for call in slurm.calls)


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"method": "rug"}, harness.UnknownName, "Did you mean 'rag'?"),
        ({"methods": "rag"}, harness.UnknownName, "Did you mean 'method'?"),
        ({"duration": 1}, harness.ConfigError, "nearest: 0.75 or 1.5"),
        ({"prompts": {"nums": 1}}, harness.LongtakeError, "num"),
        ({"device": "cuda:9"}, harness.DeviceError, "cuda:9"),
    ],
)
def test_wrong_settings_raise_typed_errors(
    folder: Path, settings: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        harness.sweep(**settings)
    assert text in str(caught.value)
    assert not list(folder.iterdir())


def test_one_video_takes_one_value_per_setting(folder: Path) -> None:
    with pytest.raises(harness.ConfigError, match="works on this machine; on SLURM use sweep"):
        harness.generate(PROMPT, method="rag", executor="slurm")
    with pytest.raises(harness.ConfigError, match="generate makes one video"):
        harness.generate(PROMPT, method=["rag", "oldest"])

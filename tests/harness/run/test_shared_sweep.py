"""Two commands on one sweep at once: nothing is made or scored twice, and none waits for ever."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.store import claims
from tests.faults.results import results_of
from tests.harness.support import records, small

pytestmark = pytest.mark.slow

ARGUMENTS = ("duration=3", "prompts.num=3", "device=cpu", "save_every_blocks=1")
SWEEP = ("sweep", "--no-report", *small(*ARGUMENTS), "executor=inline", "threads=1")
SCORED = "suite=sharpness_retention"
# A command that hangs after its first saved block, and once more before it writes its first scores.
HANGING = """
import os, signal, sys
from harness.__main__ import main
from harness.store.claims import Claim
from harness.store.run_store import RunStore

save_chunk, check = RunStore.save_chunk, Claim.check

def save_and_hang(*arguments):
    RunStore.save_chunk = save_chunk
    save_chunk(*arguments)
    os.kill(os.getpid(), signal.SIGSTOP)

def hang_and_check(claim):
    if sys._getframe(1).f_code.co_name == "score_unit":
        Claim.check = check
        os.kill(os.getpid(), signal.SIGSTOP)
    check(claim)

RunStore.save_chunk, Claim.check = save_and_hang, hang_and_check
sys.exit(main(sys.argv[1:]))
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(harness.__file__).parents[1])}
    command = [sys.executable, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_two_commands_at_once_share_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    both = [start("-m", "harness", *SWEEP, SCORED) for _ in range(2)]
    printed = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    store = tmp_path / "runs" / "main"
    assert len(records(store)) == 3
    scores = [json.loads(path.read_text()) for path in store.glob("metrics/*/*.json")]
    assert len(scores) == 3
    assert not (store / ".claims").exists()


def test_a_command_that_hangs_is_not_waited_for_and_goes_on_where_others_are(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = start("-c", HANGING, *SWEEP, SCORED)
    monkeypatch.setattr(claims, "LEASE_S", 0.2)
    try:
        for suite in ("suite=[]", SCORED):
            _, status = os.waitpid(hanging.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            other = cli(*SWEEP, suite)
            assert other.code == 0, other.err
            assert f"process {hanging.pid} has not responded for 0.2 s; taking over" in other.out
            hanging.send_signal(signal.SIGCONT)
        printed, _ = hanging.communicate()
    finally:
        hanging.kill()
        hanging.wait()
    assert hanging.returncode == 0, printed
    store = tmp_path / "runs" / "main"
    assert not [path for path in store.rglob("*") if path.name in (".claims", "partial")]
    for kind in ("records", "scores/sharpness_retention"):
        texts = [path.read_text() for path in store.glob(f"index/{kind}-*.jsonl")]
        # The first line of each is its layout.
        assert sum(text.count("\n") - 1 for text in texts) == 3, "each is recorded once"
    found = results_of(tmp_path)
    store.rename(tmp_path / "hung")
    assert cli(*SWEEP, SCORED).code == 0
    assert found == results_of(tmp_path)

from __future__ import annotations

import re
import signal
from pathlib import Path
from unittest.mock import Mock

import pytest

from harness.cli.app import DEV, GROUPS
from tests.harness.support import FAST
from tests.reports.experiment import make_store

COMMANDS = [[name] for commands in GROUPS.values() for name in commands]
COMMANDS += [["dev"], *(["dev", name] for name in DEV)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(cli, command: list[str]) -> None:
    result = cli(*command, "--help")
    assert result.code == 0
    assert "Usage:" in result.out
    assert not re.search(r"<(bool|list)", result.out), "the types of Python"
    if "--sweep " in result.out:
        usage = next(line for line in result.out.splitlines() if "Usage:" in line)
        assert "SWEEP" in usage and not re.search(r"\*\s+--sweep ", result.out), "by place as well"


def test_alone_the_program_shows_its_commands_by_group(cli) -> None:
    result = cli()
    assert result.code == 0
    assert cli("--help").out == result.out
    places = [result.out.index(f"─ {panel} ─") for panel in (*GROUPS, "Develop")]
    assert places == sorted(places)
    for commands in GROUPS.values():
        assert all(f"│ {name} " in result.out for name in commands)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["swep"], "Did you mean 'sweep'?"),
        (["replay", "x"], "Did you mean 'dev replay'?"),
        (["bench-metrics"], "Did you mean 'dev bench-metrics'?"),
        (["dev", "bnch"], "Did you mean 'dev bench'?"),
        (["sweep", "--dryrun", "duration=3"], "No such option: --dryrun (Possible options: --dry"),
        (
            ["sweep", "--workers", "3"],
            "'--workers' is not of the form key=value: write workers=VALUE",
        ),
        (["sweep", "--name=x"], "write name=x"),
        (["sweep", "tour"], "write name=tour"),
        (["train-world", "--threads", "2"], "write threads=VALUE"),
        (["train-world", "threads=-3"], "threads=-3: expected at least 1"),
        (["train-encoder", "corpus=x", "threads=0"], "threads=0: expected at least 1"),
        (["train-world", "data.clips=0"], "data.clips=0: expected at least 2"),
        (["sweep", "--measure"], "goes with --dry-run"),
        (["list", "method"], "Did you mean 'methods'?"),
        (["cancel", "swep=x"], "Did you mean 'sweep'?"),
        (["cancel", "sweep=x", "y"], "cancel takes one sweep, got 2"),
        (["status"], "status needs the name or the folder of a sweep"),
        (["resume", "sweep=x", "duration=3"], "resume takes a sweep and executor.slurm."),
    ],
)
def test_a_mistake_names_only_what_is_wrong(cli, arguments: list[str], message: str) -> None:
    result = cli(*arguments)
    assert result.code == 2
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert "duration" not in result.err or arguments[0] == "resume"


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["backbone=stret"], ["Unknown backbone 'stret'", "Did you mean 'street'?"]),
        (["method=ragg"], ["Unknown method 'ragg'", "Did you mean 'rag'?"]),
        (["prompts=stret"], ["Unknown prompts", "Did you mean 'street'?"]),
        (["suite=ofline"], ["Unknown suite 'ofline'", "Did you mean 'offline'?"]),
        (["executor=inlin"], ["Unknown executor", "Did you mean 'inline'?"]),
        (["durration=30"], ["Unknown setting 'durration'", "Did you mean 'duration'?"]),
        (["metod=rag"], ["Unknown setting 'metod'", "Did you mean 'method'?"]),
        (["method=./newest.py:Strided"], ["write module:Class"]),
        (["method=rag", "method.layot=aged"], ["Unknown method key", "Did you mean 'layout'?"]),
        (["method=rag", "method.layout=agd"], ["layout=agd: expected one of released, fill, aged"]),
        (["method.sink_latents=x"], ["method.sink_latents=x: expected a whole number"]),
        (["backbone.denoising_step_list=[1,2]"], ["must descend within 1000..1, got [1, 2]"]),
        (["backbone.denoising_step_list=[400,1000]"], ["must descend"]),
        (["duration=1"], ["whole number of blocks of 0.75 s", "0.75 or 1.5"]),
        (["duration=-3"], ["duration=-3: expected a number of seconds above 0"]),
        (["duration=0"], ["duration=0: expected a number of seconds above 0"]),
        (["duration=abc"], ["duration=abc: expected a number"]),
        (["seed=x"], ["seed=x: expected a whole number"]),
        (["deterministic=perhaps"], ["deterministic=perhaps: expected true or false"]),
        (["duration=30,30"], ["each once"]),
        (
            ["duration=257.25", "method=sliding_window_absolute"],
            ["1024 positions", "rope=relative"],
        ),
        (["name=a,b"], ["name takes one value"]),
        (["name=../x"], ["plain folder name"]),
        (["device=gpu0"], ["device='gpu0' is not"]),
        (["nonsense"], ["not of the form key=value"]),
        (["prompts=missing.txt"], ["missing.txt", "can't be read"]),
        (["prompts.num=0"], ["at least 1"]),
        (["prompts=scenes", "prompts.num=33"], ["only 32 prompts"]),
        (["method=nowhere:Thing"], ["'nowhere', which is not installed"]),
        (["method=methods.rag:Ragg"], ["methods.rag has no 'Ragg'", "Did you mean 'Rag'?"]),
        (["method=oracle"], ["method.trace=PATH"]),
        (["save_every_blocks=0"], ["at least 1"]),
        (["stall_limit_s=0"], ["stall_limit_s=0: expected 0.1 to"]),
        (["stall_limit_s=1e10"], ["stall_limit_s=1e+10: expected 0.1 to 1e+09"]),
        (["stall_limit_s=9", "executor=slurm"], ["the time limit of a task"]),
        (["duration=nan"], ["number of seconds above 0"]),
        (["duration=inf"], ["number of seconds above 0"]),
        (["workers=-1"], ["workers=-1: expected at least 1"]),
        (["batch=0"], ["batch=0: expected at least 1"]),
        (["batch=2", "kernels.cuda_graphs=true"], ["passes of one video", "choose one"]),
        (["worker=2"], ["Did you mean 'workers'?"]),
        (["executor=slurm", "--json"], ["--json needs --dry-run on SLURM"]),
        (["executor=slurm", "--dry-run", "--measure"], ["--measure times blocks on this machine"]),
        (["executor=inline", "workers=2"], ["workers=2 needs executor=processes"]),
        (["device=meta"], ["device='meta' is not"]),
        (["suite=eval.metrics.pixels:Nope"], ["eval.metrics.pixels has no 'Nope'"]),
        (["method=harness.core.files:locked"], ["lacks reset, observe, plan"]),
        (["method=methods.rag:Rag,rag.yaml"], ["rag.yaml: no such file"]),
    ],
)
def test_a_mistake_is_one_clear_line(cli, arguments: list[str], messages: list[str]) -> None:
    result = cli("sweep", *arguments)
    assert result.code == 2, result
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    for message in messages:
        assert message in result.err
    assert not Path("runs").exists()


def test_a_word_outside_the_grammar_names_the_slot_and_the_choices(cli) -> None:
    good = "dusk grassy four walking"
    Path("prompts.txt").write_text(f"{good}\n\n{good.replace('four', 'for')}\n")
    result = cli("sweep", "prompts=prompts.txt")
    assert result.code == 2
    for part in ("prompts.txt, line 3: ", "cast", "'for'", "three", "four", "visitor", "cups"):
        assert part in result.err


@pytest.mark.parametrize("first", [("--dry-run",), ("--dry-run", "--quiet")])
def test_too_small_a_disk_is_said_before_anything_starts(
    cli, monkeypatch: pytest.MonkeyPatch, first: tuple[str, ...]
) -> None:
    monkeypatch.setattr("harness.core.disk.shutil.disk_usage", lambda _: Mock(free=2048))
    result = cli("sweep", *first, *FAST)
    assert result.code == 0
    (said,) = [line for line in result.out.splitlines() if "too small" in line]
    assert re.match(
        r"The disk is too small: about [\d.]+ KiB of latents and videos are to be", said
    )
    assert "2.0 KiB are free at runs/" in said and "the same command continues" in said


def test_cfg_prints_every_row_resolved(cli) -> None:
    result = cli("sweep", "--cfg", "method=rag,oldest", "method.layout=aged,fill", "duration=3,6")
    assert result.code == 0
    assert result.out.count("---") == 4
    assert result.out.count("layout: aged") == 2
    assert "- 3" in result.out
    assert result.out.count("memory_latents: 6") == 4  # defaults included
    assert not Path("runs").exists()


@pytest.mark.slow
def test_dry_run_prints_units_time_and_disk_and_makes_nothing(cli) -> None:
    result = cli("sweep", "--dry-run", *FAST, "method=rag,oldest", "seed=0,1")
    assert result.code == 0
    assert "street" in result.out
    assert "generation: unknown, no earlier record of street" in result.out
    assert "disk: about" in result.out
    assert "too small" not in result.out
    measured = cli("sweep", "--dry-run", "--measure", *FAST)
    assert "generation: about" in measured.out and "(timed a few blocks)" in measured.out
    assert not Path("runs").exists()


def test_dry_run_of_released_weights_works_before_they_are_downloaded(cli, monkeypatch) -> None:
    monkeypatch.setenv("LONGTAKE_WEIGHTS", str(Path("nowhere").absolute()))
    monkeypatch.setenv("HOME", str(Path("empty").absolute()))
    asked = ["backbone=longlive", "prompts=scenes", "prompts.num=2", "duration=30", "suite=[]"]
    result = cli("sweep", "--dry-run", *asked)
    assert result.code == 0, result.err
    assert ": python -m harness fetch-weights backbone=longlive\n" in result.out
    suites = cli("sweep", "--dry-run", *asked[:-1], "suite=vbench_long,sharpness_retention")
    (command,) = re.findall(r"downloads: .* harness (fetch-weights .*)", suites.out)
    assert command == "fetch-weights backbone=longlive suite=vbench_long"
    fetched = cli(*command.split(), "--dry-run")
    assert (fetched.code, fetched.err) == (0, "")
    assert "no earlier record of longlive" in result.out
    assert re.search(r"downloads: 8 files, [\d.]+ GiB", result.out)
    assert re.search(r"5\.3 GiB +Efficient-Large-Model/LongLive-1\.3B/models", result.out)
    assert "Missing weights" in cli("sweep", *asked).err


@pytest.mark.slow
def test_dry_run_says_which_differences_the_prompts_tell(cli) -> None:
    asked = ["sweep", "--dry-run", *FAST[:2], "device=cpu", "suite=offline", "method=rag,oldest"]
    assert "offline: 1 prompt cannot distinguish any" in cli(*asked, "prompts.num=1").out
    unknown = cli(*asked, "prompts.num=6").out
    assert "offline, 3 s: 6 prompts can detect differences of" in unknown
    assert "unknown until first results exist" in unknown
    rows = {"a": dict.fromkeys("uvwxyz", 0.0), "b": dict(zip("uvwxyz", range(6), strict=True))}
    lines = make_store(Path("runs/earlier"), rows) / "units.jsonl"
    label = f"street {FAST[0].partition('.')[2]}"
    lines.write_text(lines.read_text().replace('"tiny"', f'"{label}"'))
    known = cli(*asked, "prompts.num=6").out
    assert "unknown until first results exist" not in known
    # The spread of the differences 0 to 5 is the root of 17.5 / 5.
    assert re.search(r"sky\s.*\s1\.87\s", known)


@pytest.mark.slow
def test_list_names_everything_that_can_be_chosen(cli) -> None:
    result = cli("list")
    for name in ("street_window", "rag_aged", "avg_pool", "flow_motion", "offline", "street_skies"):
        assert name in result.out
    assert "street_window" not in cli("list", "methods").out
    assert cli("list", "method").code == 2


@pytest.mark.slow
def test_doctor_reports_packages_weights_and_metrics(cli) -> None:
    result = cli("doctor")
    assert result.code == 0
    assert "found: street, encoder" in result.out
    assert "sky_error" in result.out


@pytest.mark.slow
def test_generate_prints_the_path_of_the_video(cli) -> None:
    prompt = "prompt=dusk grassy four walking"
    result = cli("generate", prompt, "duration=1.5", "backbone.denoising_step_list=[1000]")
    assert result.code == 0
    path = Path(result.out.strip().splitlines()[-1])
    assert path.suffix == ".mp4"
    assert path.is_file()


def test_generate_refuses_a_grid(cli) -> None:
    result = cli("generate", "prompt=dusk grassy four walking", "seed=0,1")
    assert result.code == 2
    assert "one seed" in result.err


@pytest.mark.parametrize("command", ["eval", "report", "status", "verify"])
@pytest.mark.parametrize("words", [["sweep=runs/frist"], ["--sweep", "frist"], ["frist"]])
def test_an_unknown_sweep_suggests_the_nearest(cli, command: str, words: list[str]) -> None:
    make_store(Path("runs/first"), {"a": {"u": 0.0}})
    result = cli(command, *words)
    assert result.code == 2
    assert "Did you mean 'first'?" in result.err


def test_a_folder_of_the_same_name_does_not_hide_a_sweep(cli) -> None:
    make_store(Path("runs/demo"), {"a": {"u": 0.0}})
    Path("demo").mkdir()
    assert cli("verify", "demo").code == cli("verify", "runs/demo").code
    assert "1 units, 2 wrong" in cli("verify", "demo").out


@pytest.mark.slow
def test_bench_writes_its_figures(cli) -> None:
    result = cli("dev", "bench", *FAST, "method=sliding_window,rag", "out=bench.json")
    assert result.code == 0
    assert "sliding_window" in result.out
    assert "rollout_s" in Path("bench.json").read_text()


@pytest.mark.parametrize(
    ("group", "content", "message"),
    [
        ("method", "strategy: rag\nlayot: aged", "mine.yaml, line 2: Unknown method key 'layot'"),
        ("method", "strategy: rag\nlayout: agd", "mine.yaml, line 2: method.layout=agd: expected"),
        (
            "executor",
            "kind: slurm\nslurm:\n  max_running: x",
            "line 3: executor.slurm.max_running=x",
        ),
        ("executor", "kind: slurm\nslurm: {}\nwork: 2", "mine.yaml, line 3: Unknown setting key"),
    ],
)
def test_a_value_of_a_yaml_file_is_named_with_its_line(
    cli, group: str, content: str, message: str
) -> None:
    Path("mine.yaml").write_text(content)
    result = cli("sweep", f"{group}=mine.yaml")
    assert result.code == 2
    assert message in result.err


@pytest.mark.parametrize("content", ["strategy: [", "- rag", "strategy: rag\nlayot: aged"])
def test_a_yaml_file_that_does_not_fit_is_one_clear_line(cli, content: str) -> None:
    Path("mine.yaml").write_text(content)
    result = cli("sweep", "method=mine.yaml")
    assert result.code == 2
    assert result.err.count("\n") == 1


def test_a_plug_in_that_cannot_be_imported_is_one_clear_line(cli) -> None:
    Path("broken.py").write_text("def (")
    result = cli("sweep", "method=broken:Thing")
    assert result.code == 2
    assert "importing broken fails: SyntaxError" in result.err
    assert result.err.count("\n") == 1


def test_two_things_of_one_label_are_refused(cli) -> None:
    for folder, layout in (("a", "aged"), ("b", "fill")):
        Path(folder).mkdir()
        Path(folder, "mine.yaml").write_text(f"strategy: rag\nlayout: {layout}\n")
    result = cli("sweep", "method=a/mine.yaml,b/mine.yaml")
    assert result.code == 2
    assert "both be called 'mine'" in result.err


def test_an_unwritable_run_folder_is_one_clear_line(cli) -> None:
    result = cli("sweep", *FAST, "runs=/proc/nowhere")
    assert result.code == 2
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1


@pytest.mark.slow
def test_a_damaged_sweep_header_does_not_block_the_sweep(cli) -> None:
    assert cli("sweep", "--no-report", *FAST).code == 0
    Path("runs/main/sweep.yaml").write_text("{")
    assert cli("sweep", "--no-report", *FAST).code == 0
    assert "commands" in Path("runs/main/sweep.yaml").read_text()


@pytest.mark.slow
def test_eval_refuses_a_duration_that_no_video_has(cli) -> None:
    assert cli("sweep", "--no-report", *FAST).code == 0
    result = cli("eval", "sweep=runs/main", "suite=sky_error", "duration=60")
    assert result.code == 2
    assert "no finished video" in result.err


def test_sigterm_ends_a_command_with_a_word(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ctrl-C does, so that temporary files are removed; the handler of before comes back."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(
        "harness.cli.runs_table.show_runs", lambda *_: signal.raise_signal(signal.SIGTERM)
    )
    ended = cli("list", "runs")
    assert ended.code == 130
    assert "interrupted" in ended.err
    assert signal.getsignal(signal.SIGTERM) is before

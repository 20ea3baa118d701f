from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config.overrides import (
    GRID_KEYS,
    LIST_KEYS,
    expand,
    merge,
    override_with,
    split,
    take,
    to_overrides,
)
from harness.config.sweep import load_sweep
from harness.core.errors import ConfigError, LongtakeError

KEYS = st.from_regex(r"[a-z]{1,6}(\.[a-z]{1,6}){0,2}", fullmatch=True)
PAIRS = st.lists(st.tuples(KEYS, st.text(max_size=12)), max_size=6)


@given(PAIRS)
def test_a_value_stays_as_it_was_typed(pairs: list[tuple[str, str]]) -> None:
    arguments = [f"{key}={value}" for key, value in pairs]
    choices = split(arguments)
    assert [(choice.key, choice.value) for choice in choices] == pairs
    assert [str(choice) for choice in choices] == arguments


@given(PAIRS, PAIRS)
def test_later_overrides_win_and_drop_settings_of_the_replaced_group(
    first: list[tuple[str, str]], later: list[tuple[str, str]]
) -> None:
    one, two = ([f"{key}={value}" for key, value in pairs] for pairs in (first, later))
    joined = split(override_with(one, two))
    keys = {key for key, _ in later}
    assert [(c.key, c.value) for c in joined[len(joined) - len(later) :]] == later
    for choice in joined[: len(joined) - len(later)]:
        assert choice.key not in keys and choice.group not in keys


def test_taken_arguments_are_not_in_the_rest() -> None:
    taken, rest = take(["num=3", "out=a=b, c", "seed=1", "--x"], ("num", "out"))
    assert taken == {"num": "3", "out": "a=b, c"}
    assert rest == ["seed=1", "--x"]
    with pytest.raises(ConfigError, match="num= is given twice"):
        take(["num=1", "num=2"], ("num",))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(-99, 99), min_size=1, max_size=4, unique=True))
def test_a_list_key_takes_a_comma_list_brackets_or_a_range(numbers: list[int]) -> None:
    text = ",".join(map(str, numbers))
    for spelled in (f"seed={text}", f"seed=[{text}]"):
        ((choice,),) = expand([spelled])
        assert choice.parsed == numbers
    ((choice,),) = expand(["seed=range(2,5)"])
    assert choice.parsed == [2, 3, 4]


def test_comma_lists_of_groups_and_their_arguments_span_the_grid_in_order() -> None:
    rows = expand(["method=rag,oldest", "method.layout=aged,fill", "name=x"])
    assert [[str(choice) for choice in row] for row in rows] == [
        [f"method={method}", f"method.layout={layout}", "name=x"]
        for method in ("rag", "oldest")
        for layout in ("aged", "fill")
    ]


def test_quotes_and_brackets_hold_a_value_together() -> None:
    ((quoted,),) = expand(["name='a,b'"])
    assert quoted.parsed == "a,b"
    ((steps,),) = expand(["backbone.denoising_step_list=[1000, 400]"])
    assert (steps.value, steps.parsed) == ("[1000,400]", [1000, 400])
    rows = expand(["backbone.denoising_step_list=[1000,400],[1000]"])
    assert [row[0].parsed for row in rows] == [[1000, 400], [1000]]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("nonsense", "not of the form key=value"),
        ("~seed", "can't be deleted"),
        ("name=a,b", "name takes one value"),
        ("seed=interval(0,1)", "seed=interval"),
        ("method@x=rag", "no @package"),
    ],
)
def test_malformed_overrides_are_refused(argument: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        expand([argument])


def test_a_number_of_too_many_digits_is_refused() -> None:
    for read in (expand, lambda arguments: merge({}, arguments)):
        with pytest.raises(ConfigError, match="duration: a number of too many digits"):
            read(["a=1", f"duration={'9' * 5000}"])


def test_nested_values_are_merged_into_plain_ones() -> None:
    profile = {"partition": "gpu", "generate": {"cpus": 4, "mem_gib": None}}
    changed = merge(profile, ["generate.mem_gib=64", "extra.nice=10"])
    assert changed == {
        "partition": "gpu",
        "generate": {"cpus": 4, "mem_gib": "64"},  # the profile declares what is a number
        "extra": {"nice": "10"},
    }
    assert profile["generate"] == {"cpus": 4, "mem_gib": None}
    with pytest.raises(ConfigError, match="expected one value"):
        merge(profile, ["partition=a,b"])


def test_a_long_range_of_seeds_is_a_list_of_numbers() -> None:
    seeds = load_sweep(["seed=range(3000)", "prompts.num=1"]).settings.seed
    assert seeds == list(range(3000))


@pytest.mark.parametrize("text", ["seed={}", "seed=[{}]"])
def test_a_long_list_of_seeds_is_read_as_hydra_reads_a_short_one(text: str) -> None:
    ((choice,),) = expand([text.format(",".join(map(str, range(-1, 30_000))))])
    assert choice.parsed == list(range(-1, 30_000))
    with pytest.raises(ConfigError):
        expand(["seed=[1,2"])
    ((odd,),) = expand([text.format("1,x,2")])  # not only numbers: Hydra's own rules
    assert odd.parsed == [1, "x", 2]


def test_unlabelled_settings_are_left_out_of_labels() -> None:
    shared = ["backbone.denoising_step_list=[1000, 400]"]
    given_too = ["backbone.denoising_step_list=[1000,400]", "method=rag", "method.layout=aged"]
    (row,) = load_sweep(given_too, unlabelled=shared).rows
    assert (row.backbone.label, row.method.label) == ("street", "rag layout=aged")
    assert row.backbone.args["denoising_step_list"] == [1000, 400]


@given(st.dictionaries(KEYS, st.text(max_size=12) | st.integers() | st.booleans() | st.none()))
def test_python_values_are_written_so_that_they_are_read_back(values: dict[str, object]) -> None:
    (choices,) = expand(to_overrides(values))
    grid = {key: str(values[key]) for key in values if key in GRID_KEYS and values[key] is not None}
    expected = {key: [value] if key in LIST_KEYS else value for key, value in values.items()}
    assert {choice.key: choice.parsed for choice in choices} == expected
    assert all(choice.value == grid.get(choice.key, choice.value) for choice in choices)


def test_python_lists_span_the_grid_and_mappings_name_keys_of_a_group() -> None:
    values = {
        "method": ["rag", "my file.yaml"],
        "duration": [3, 6.5],
        "backbone": {"weights": "short", "denoising_step_list": [1000, 400]},
    }
    written = to_overrides(values)
    assert written == [
        "method=rag,'my file.yaml'",
        "duration=[3,6.5]",
        "backbone.weights=short",
        "backbone.denoising_step_list=[1000,400]",
    ]
    assert [row[0].value for row in expand(written)] == ["rag", "my file.yaml"]


def test_texts_of_a_site_stay_texts_and_numbers_are_read(tmp_path: Path) -> None:
    """YAML alone would make of them 7, 100000.0, True, False and 14400, Hydra 7 and 100000.0."""
    (tmp_path / "site.yaml").write_text(
        "kind: slurm\nslurm:\n  partition: 07\n  account: 1e5\n  qos: on\n  constraint: no\n"
        "  container: ~\n  extra: {time-min: 4:00:00, nodelist: 'n[01-04]'}\n  srun: off\n"
        "  generate: {time_min: 30, mem_gib: 1.5}\n  max_running: 16\n"
    )
    site = load_sweep([f"executor={tmp_path / 'site.yaml'}", "name=007"]).settings
    slurm = site.executor.slurm
    assert site.name == "007"
    assert (slurm.partition, slurm.account, slurm.qos) == ("07", "1e5", "on")
    assert (slurm.constraint, slurm.container, slurm.srun) == ("no", None, False)
    assert slurm.extra == {"time-min": "4:00:00", "nodelist": "n[01-04]"}
    assert (slurm.generate.time_min, slurm.generate.mem_gib, slurm.max_running) == (30, 1.5, 16)
    config = load_sweep(["threads=2", "deterministic=true", "kv.host_gib=8"]).resolved[0]
    assert (config["threads"], config["deterministic"], config["kv"]["host_gib"]) == (2, True, 8.0)
    typed = ["executor.slurm.partition=07", "executor.slurm.account=1e5"]
    slurm = load_sweep(["executor=slurm", *typed]).settings.executor.slurm
    assert (slurm.partition, slurm.account) == ("07", "1e5")
    assert merge({"partition": "gpu"}, ["partition=07"]) == {"partition": "07"}


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("seed=range(10000000000)", "at most 10,000,000 values"),
        ("seed=range(0,5,0)", "at most 10,000,000 values"),
        ("name=" + 300 * "x", "300 bytes"),
        (f"name='{100 * '日'}'", "300 bytes"),
        ("name=日本", "in a shell: name=\"'日本'\""),
        ("method=", "Unknown method ''"),
        ("prompts=", "Unknown prompts ''"),
    ],
)
def test_values_without_a_meaning_are_refused(argument: str, said: str) -> None:
    with pytest.raises(LongtakeError, match=re.escape(said)):
        load_sweep([argument])

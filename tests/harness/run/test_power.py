"""Power of a sweep from the scores of earlier sweeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eval.statistics.power import detectable_effect
from harness.config.sweep import load_sweep
from harness.run.power import recorded_spreads, sweep_power
from harness.store.units import plan_units
from tests.reports.experiment import make_store

ASKED = [
    "backbone=street",
    "method=sliding_window,rag,random",
    "duration=3",
    "suite=[offline,street]",
]


def values(seed: int, num_prompts: int = 8) -> dict[str, float]:
    generator = np.random.default_rng(seed)
    return {f"p{i}": float(value) for i, value in enumerate(generator.normal(0, 1, num_prompts))}


def spread(one: dict[str, float], other: dict[str, float]) -> float:
    return float(np.std([one[p] - other[p] for p in one if p in other], ddof=1))


def test_spread_is_that_of_the_differences_between_methods(tmp_path: Path) -> None:
    first, second = values(0), values(1)
    make_store(tmp_path / "main", {"rag": first, "random": second})
    found = recorded_spreads(tmp_path, "offline", 3.0, {"tiny"})
    assert found == {"sky": pytest.approx(spread(first, second))}
    assert recorded_spreads(tmp_path, "offline", 30.0, {"tiny"}) == {}
    assert recorded_spreads(tmp_path, "offline", 3.0, {"other"}) == {}
    assert recorded_spreads(tmp_path, "vbench_long", 3.0, {"tiny"}) == {}
    assert recorded_spreads(tmp_path / "none", "offline", 3.0, {"tiny"}) == {}


def test_spreads_of_several_sweeps_are_pooled(tmp_path: Path) -> None:
    rows = {"a": values(0), "b": values(1)}
    more = {"a": values(2, 5), "b": values(3, 5)}
    make_store(tmp_path / "one", rows)
    make_store(tmp_path / "two", more)
    squares = 7 * spread(*rows.values()) ** 2 + 4 * spread(*more.values()) ** 2
    found = recorded_spreads(tmp_path, "offline", 3.0, {"tiny"})
    assert found == {"sky": pytest.approx((squares / 11) ** 0.5)}


def test_methods_that_never_differ_and_few_prompts_say_nothing(tmp_path: Path) -> None:
    rows = {"a": values(0), "b": values(0)}
    make_store(tmp_path / "same", rows)
    make_store(tmp_path / "few", {"a": values(0, 4), "b": values(1, 4)})
    assert recorded_spreads(tmp_path, "offline", 3.0, {"tiny"}) == {}


def test_damaged_files_are_left_out(tmp_path: Path) -> None:
    rows = {"a": values(0), "b": values(1)}
    store = make_store(tmp_path / "main", rows)
    (store / "metrics" / "offline" / "a-p0.json").write_text("{")
    (store / "units.jsonl").open("a").write("not json\n")
    without = {method: dict(list(of_row.items())[1:]) for method, of_row in rows.items()}
    found = recorded_spreads(tmp_path, "offline", 3.0, {"tiny"})
    assert found == {"sky": pytest.approx(spread(*without.values()))}


def test_power_of_a_sweep(tmp_path: Path) -> None:
    config = load_sweep([*ASKED, f"runs={tmp_path}", "prompts.num=8"])
    units = plan_units(config)
    offline, street = sweep_power(units, config.settings)
    assert (offline.suite, street.suite) == ("offline", "street")
    assert (offline.num_prompts, offline.duration_s, offline.metrics) == (8, 3.0, ())
    assert offline.num_comparisons % 2 == 0  # two methods beside the baseline
    assert offline.effect == detectable_effect(8, offline.num_comparisons)
    one_method = [unit for unit in units if unit.method == "rag"]
    assert sweep_power(one_method, config.settings) == []
    few = [unit for unit in units if unit.prompt_id in {u.prompt_id for u in units[:2]}]
    assert sweep_power(few, config.settings)[0].effect is None

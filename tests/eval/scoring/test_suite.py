from __future__ import annotations

from pathlib import Path

import pytest

from eval.metric import Direction, MetricInfo
from eval.scoring.suite import DEFAULT_SUITE, METRICS, SUITES, find_suite
from harness.core.errors import LongtakeError
from harness.store.paths import StorePaths
from tests.harness.support import install_distribution

VBENCH_DIMENSIONS = {
    "subject_consistency",
    "background_consistency",
    "temporal_flickering",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
    "object_class",
    "multiple_objects",
    "human_action",
    "color",
    "spatial_relationship",
    "scene",
    "temporal_style",
    "appearance_style",
    "overall_consistency",
}


@pytest.mark.parametrize("name", METRICS.names())
def test_registered_metric_describes_itself_under_its_name(name: str) -> None:
    info = METRICS.load(name)().info
    assert isinstance(info, MetricInfo)
    assert info.name == name
    assert isinstance(info.direction, Direction)
    assert info.title and info.description


def test_no_metric_takes_the_name_of_a_vbench_dimension() -> None:
    assert VBENCH_DIMENSIONS.isdisjoint(SUITES["offline"].metrics)


def test_suites_are_found_by_name_and_hold_registered_metrics() -> None:
    assert find_suite().name == DEFAULT_SUITE
    for name, suite in SUITES.items():
        assert suite.name == name
        assert set(suite.metrics) <= set(METRICS.names())


def test_a_metric_is_a_suite_of_its_own() -> None:
    assert find_suite("flow_motion").metrics == ("flow_motion",)
    by_path = find_suite("eval.metrics.flow:FlowMotion")
    assert (by_path.name, by_path.metrics) == ("FlowMotion", ("eval.metrics.flow:FlowMotion",))
    assert by_path.version == find_suite("flow_motion").version


def test_a_metric_from_outside_has_the_version_of_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "own_metric.py"
    source.write_text("from eval.metrics.flow import FlowMotion\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    outside = find_suite("own_metric:FlowMotion")
    assert outside.version != find_suite("flow_motion").version
    source.write_text("from eval.metrics.flow import FlowMotion  # other\n")
    assert find_suite("own_metric:FlowMotion").version != outside.version


def test_a_metric_has_the_cost_estimates_of_its_suite() -> None:
    for suite in SUITES.values():
        for name in suite.metrics:
            own = find_suite(name)
            assert (own.clip_s, own.gpu_clip_s) == (suite.clip_s, suite.gpu_clip_s)


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(LongtakeError, match=r"Unknown suite 'ofline'\. Did you mean 'offline'"):
        find_suite("ofline")
    with pytest.raises(LongtakeError, match=r"suite 'flow_mtion'\. Did you mean 'flow_motion'"):
        find_suite("flow_mtion")
    with pytest.raises(LongtakeError, match="no module 'nowhere'"):
        find_suite("nowhere:Metric")


@pytest.mark.parametrize("name", ["../../outside", "a/b", "my metric", "x" * 300])
def test_a_plug_in_of_any_name_scores_into_a_folder_of_its_own(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from eval.metrics.pixels import SharpnessRetention as Metric\n"
    points = {"longtake.metrics": {name: "own_metric_of_any_name:Metric"}}
    install_distribution(tmp_path, "odd", points, {"own_metric_of_any_name.py": source})
    monkeypatch.syspath_prepend(str(tmp_path))
    suite = find_suite(name)
    assert suite.metrics == (name,)
    paths = StorePaths(tmp_path / "store")
    assert paths.suite_dir(suite.name).parent == paths.metrics_dir
    assert paths.suite_dir(suite.name).resolve().parent == paths.metrics_dir.resolve()
    assert len(suite.name) < 100
    assert paths.failure_path(f"{name}:unit").parent == paths.unit_dir("unit")

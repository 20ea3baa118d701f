from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from eval.metric import (
    Clip,
    ClipMean,
    ClipMeasure,
    Direction,
    MetricInfo,
    MetricUnavailable,
    Outputs,
)
from eval.networks.output_cache import OutputCache
from eval.networks.pool import NetworkPool
from eval.scoring.network_runs import NetworkRuns
from eval.scoring.scorer import Scorer, Workspace
from eval.scoring.suite import Suite
from harness.core.errors import DeviceLost, LongtakeError


class Counting:
    """A network that counts how often it is loaded and run."""

    reads_prompt = False

    def __init__(self, name: str, size_mib: int = 10) -> None:
        self.name, self.size_mib = name, size_mib
        self.loads = self.runs = 0

    def check(self) -> None:
        pass

    def key(self, device: str) -> str:
        return f"{self.name} v1 {device}"

    def load(self, device: str) -> Callable[[Clip], np.ndarray]:
        self.loads += 1

        def run(clip: Clip) -> np.ndarray:
            self.runs += 1
            return clip.frames_FHWC.mean(axis=(1, 2, 3))

        return run


class Broken(Counting):
    def load(self, device: str) -> Callable[[Clip], np.ndarray]:
        self.loads += 1
        raise MetricUnavailable("not these weights")


def clip(value: int = 3, shape: tuple[int, int] = (4, 6), prompt: str = "") -> Clip:
    return Clip(np.full((5, *shape, 3), value, np.uint8), 0, 16, prompt)


def test_pool_loads_once_and_unloads_what_does_not_fit() -> None:
    pool = NetworkPool("cpu", budget_mib=35)
    a, b, c = (Counting(name) for name in "abc")
    for network in (a, b, a, c, a, b):
        pool.run(network, clip())
    # c pushed b out, which was used before a.
    assert (a.loads, b.loads, c.loads) == (1, 2, 1)
    assert pool.num_loads == 4


def test_pool_makes_room_for_what_a_network_needs_while_it_runs() -> None:
    class Greedy(Counting):
        def work_mib(self, clip: Clip) -> int:
            return 10 * clip.frames_FHWC.shape[1]

    pool = NetworkPool("cpu", budget_mib=65)
    a, greedy = Counting("a"), Greedy("greedy")
    for shape in ((4, 6), (5, 6)):  # 10 + 40 fit beside a, 10 + 50 do not
        pool.run(a, clip())
        pool.run(greedy, clip(shape=shape))
    pool.run(a, clip())
    assert (a.loads, greedy.loads) == (2, 1)


def test_pool_tries_a_failing_network_once() -> None:
    pool, broken = NetworkPool("cpu", budget_mib=25), Broken("broken")
    for _ in range(2):
        with pytest.raises(MetricUnavailable, match="not these weights"):
            pool.run(broken, clip())
    assert broken.loads == 1


class OutOfMemory(Counting):
    """A network for which memory runs out a few times while it loads, and while it runs."""

    def __init__(self, name: str, while_loading: int, while_running: int) -> None:
        super().__init__(name)
        self.while_loading, self.while_running = while_loading, while_running

    def load(self, device: str) -> Callable[[Clip], np.ndarray]:
        run_it = super().load(device)
        if self.loads <= self.while_loading:
            raise torch.OutOfMemoryError("CUDA out of memory.")

        def run(clip: Clip) -> np.ndarray:
            output = run_it(clip)
            if self.runs <= self.while_running:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return output

        return run


@pytest.mark.parametrize("times", [(1, 0), (0, 1), (1, 1)])
def test_pool_unloads_the_others_and_tries_again_when_memory_runs_out(
    times: tuple[int, int],
) -> None:
    pool, other, short = NetworkPool("cpu", 100), Counting("other"), OutOfMemory("short", *times)
    pool.run(other, clip())
    np.testing.assert_array_equal(pool.run(short, clip(7)), 5 * [7])
    pool.run(other, clip())
    assert other.loads == 2


def test_pool_forgets_that_memory_ran_out() -> None:
    pool, short = NetworkPool("cpu", 100), OutOfMemory("short", 2, 0)
    with pytest.raises(torch.OutOfMemoryError):
        pool.run(short, clip())
    assert not pool.could_not_load(short)
    pool.run(short, clip())


def test_a_lost_device_is_no_property_of_a_metric(tmp_path: Path) -> None:
    class Losing(Counting):
        def load(self, device: str) -> Callable[[Clip], np.ndarray]:
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    runs = NetworkRuns(NetworkPool("cpu", 100), OutputCache(None, "cpu"))
    with pytest.raises(DeviceLost, match="device-side assert"):
        runs.output(Losing("losing"), clip(), "hash")


class WithoutPackage(Counting):
    def load(self, device: str) -> Callable[[Clip], np.ndarray]:
        self.loads += 1
        raise ImportError("No module named 'pkg_resources'")


def test_pool_tries_a_network_without_its_package_once() -> None:
    pool, without_package = NetworkPool("cpu", budget_mib=25), WithoutPackage("without_package")
    for _ in range(2):
        with pytest.raises(ImportError, match="pkg_resources"):
            pool.run(without_package, clip())
    assert without_package.loads == 1 and pool.could_not_load(without_package)


def test_budget_of_the_environment_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGTAKE_NETWORKS_MIB", "many")
    with pytest.raises(LongtakeError, match="LONGTAKE_NETWORKS_MIB is 'many'"):
        NetworkPool("cpu")


def test_cache_distinguishes_clips_networks_shapes_and_devices(tmp_path: Path) -> None:
    cache = OutputCache(tmp_path, "cpu")
    a, b = Counting("a"), Counting("b")
    cache.put(a, clip(), "hash", np.arange(3))
    cache.put(b, clip(), "hash", np.arange(4))
    assert cache.get(a, clip(), "hash") is not None
    np.testing.assert_array_equal(cache.get(b, clip(), "hash"), np.arange(4))
    assert cache.get(a, clip(), "other") is None
    # A black frame of 4 x 6 has the bytes of one of 6 x 4.
    assert cache.get(a, clip(shape=(6, 4)), "hash") is None
    assert OutputCache(tmp_path, "cuda").get(a, clip(), "hash") is None
    assert OutputCache(None, "cpu").get(a, clip(), "hash") is None


def test_damaged_cache_file_is_replaced(tmp_path: Path) -> None:
    cache, network = OutputCache(tmp_path, "cpu"), Counting("a")
    cache.put(network, clip(), "hash", np.arange(3))
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(file.read_bytes()[:40])
    assert cache.get(network, clip(), "hash") is None
    cache.put(network, clip(), "hash", np.arange(3))
    np.testing.assert_array_equal(cache.get(network, clip(), "hash"), np.arange(3))


NETWORKS = {"first": Counting("first"), "second": Counting("second")}


class First(ClipMean):
    info = MetricInfo("first", "First", Direction.higher, "", "Mean of a network.")
    networks = (NETWORKS["first"],)

    def measure(self, clip: Clip, outputs: Outputs) -> ClipMeasure:
        return ClipMeasure(float(outputs[self.networks[0]].mean()))


class Second(First):
    info = MetricInfo("second", "Second", Direction.higher, "", "Mean of another.")
    networks = (NETWORKS["second"],)


@pytest.fixture
def counting() -> dict[str, Counting]:
    for network in NETWORKS.values():
        network.loads = network.runs = 0
    return NETWORKS


def suite(*metrics: type) -> Suite:
    names = tuple(f"{metric.__module__}:{metric.__name__}" for metric in metrics)
    return Suite("counted", "1", names)


def test_new_metric_and_new_duration_run_only_what_is_new(
    write_video: Callable[..., Path],
    make_scene,
    counting: dict[str, Counting],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, First.__module__, sys.modules[__name__])
    video = write_video(make_scene().frames(150))
    workspace = Workspace(tmp_path / "clips", tmp_path / "features")

    def score(what: Suite, **durations: int) -> dict[str, float | None]:
        frames = {name.removeprefix("s"): count for name, count in durations.items()}
        scores = Scorer(what).score(video, "", frames, "unit", workspace=workspace)
        assert not [m.reason for m in scores.metrics.values() if m.reason]
        return dict(scores.metrics["first"].durations)

    short = score(suite(First), s4=77)
    assert counting["first"].runs == 3  # two clips and the overlapping last one
    assert score(suite(First, Second), s4=77) == short
    assert (counting["first"].runs, counting["second"].runs) == (3, 3)
    both = score(suite(First), s4=77, s9=150)
    # The long one shares two full clips with the short one and has three more.
    assert counting["first"].runs == 3 + 3
    assert both["4"] == short["4"]
    assert counting["first"].loads == 2


class Undeclared(First):
    info = MetricInfo("undeclared", "Undeclared", Direction.higher, "", "Asks for another.")

    def measure(self, clip: Clip, outputs: Outputs) -> ClipMeasure:
        return ClipMeasure(float(outputs[NETWORKS["second"]].mean()))


class OutputsOfNone(ClipMean):
    info = MetricInfo("outputs_of_none", "None", Direction.higher, "", "Declares no network.")
    measure = First.measure


class WithoutOutputs(First):
    info = MetricInfo("without_outputs", "Without", Direction.higher, "", "Takes no outputs.")

    def measure(self, clip: Clip) -> ClipMeasure:  # type: ignore[override]
        return ClipMeasure(1.0)


def test_a_metric_is_handed_the_outputs_of_the_networks_it_declares_and_no_others(
    write_video: Callable[..., Path], make_scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, First.__module__, sys.modules[__name__])
    video = write_video(make_scene().frames(32))
    # The suite runs the second network, for another metric.
    metrics = suite(First, Second, Undeclared, OutputsOfNone, WithoutOutputs)
    scores = Scorer(metrics).score(video, "", {"2": 32}, "unit")
    reasons = {name: metric.reason for name, metric in scores.metrics.items()}
    assert (reasons["first"], reasons["second"]) == (None, None)
    undeclared = str(reasons["undeclared"])
    assert undeclared.startswith(
        "the metric asks for the output of 'second' but declares only 'first'; add it to `networks`"
    )
    for name, expected in (
        ("outputs_of_none", "`measure` must take (clip): a metric with `networks`"),
        ("without_outputs", "`measure` must take (clip, outputs): a metric with `networks`"),
    ):
        assert str(reasons[name]).startswith(expected)


class Noisy(Counting):
    """A network of a package that warns when it is loaded and run."""

    def load(self, device: str) -> Callable[[Clip], np.ndarray]:
        warnings.warn("an old name\nof a layer", FutureWarning, stacklevel=1)
        run = super().load(device)

        def noisy(clip: Clip) -> np.ndarray:
            warnings.warn("slow path", UserWarning, stacklevel=1)
            logging.getLogger("timm.models").warning("overwriting %s", "vit")
            return run(clip)

        return noisy


def test_warnings_of_a_network_are_kept_in_the_log_and_not_shown(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path))
    clip = Clip(np.zeros((2, 8, 8, 3), np.uint8), 0, 16, "")
    handlers = list(logging.getLogger().handlers)
    pool, noisy = NetworkPool("cpu"), Noisy(f"noisy {tmp_path}")
    for _ in range(2):
        pool.run(noisy, clip)

    lines = (tmp_path / "networks.log").read_text().splitlines()
    assert len(lines) == 3
    for line, text in zip(lines, ("an old name of a layer", "slow path", "vit"), strict=True):
        assert line.startswith(noisy.name) and line.endswith(text)
    assert not recwarn.list and capfd.readouterr().err == ""
    assert logging.getLogger().handlers == handlers


def test_warnings_of_a_network_that_fails_are_kept_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path))

    class Failing(Counting):
        def load(self, device: str) -> Callable[[Clip], np.ndarray]:
            warnings.warn("the reason", UserWarning, stacklevel=1)
            raise MetricUnavailable("no weights")

    with pytest.raises(MetricUnavailable):
        NetworkPool("cpu").run(
            Failing(f"failing {tmp_path}"), Clip(np.zeros((1, 8, 8, 3)), 0, 16, "")
        )
    assert "UserWarning: the reason" in (tmp_path / "networks.log").read_text()

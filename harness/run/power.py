"""Power of a sweep before it runs: the differences that its prompts can tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eval.scoring.results import Scores
from eval.scoring.suite import find_suite
from eval.statistics import cluster_sums
from eval.statistics.power import detectable_effect
from harness.core.durations import duration_of
from harness.store.files import Reader
from harness.store.lines import UnitPlace

if TYPE_CHECKING:
    from harness.config.sweep import Settings
    from harness.store.units import Unit

_SCORES_READ = 500  # per sweep, of at most as many prompts and seeds
_MIN_DEGREES = 5  # of freedom; from fewer, a spread says nothing

_Group = tuple[str, str]  # backbone, prompt set
_Pair = tuple[str, int]  # prompt, seed
_Values = dict[_Group, dict[str, dict[_Pair, float]]]  # by method, of one metric in one sweep


@dataclass(frozen=True)
class MetricSpread:
    """Spread over prompts of the paired difference of two methods in one metric.

    Attributes:
        metric: its name.
        spread: standard deviation over prompts, pooled over the earlier sweeps.
    """

    metric: str
    spread: float


@dataclass(frozen=True)
class SuitePower:
    """Differences that the prompts of a sweep tell in one suite at the longest duration.

    Attributes:
        suite: its name.
        duration_s: the longest asked for.
        num_prompts: fewest of any backbone and prompt set.
        num_comparisons: differences to the baseline in the table.
        effect: smallest detectable difference, in units of the spread; None for too few prompts.
        metrics: those whose spread is known from earlier sweeps of the same backbones.
    """

    suite: str
    duration_s: float
    num_prompts: int
    num_comparisons: int
    effect: float | None
    metrics: tuple[MetricSpread, ...]


def sweep_power(units: Sequence[Unit], settings: Settings) -> list[SuitePower]:
    """Return which differences a sweep can tell, suite by suite.

    Spreads come from the scores of earlier sweeps under the same parent folder; a metric without
    any has no line. Suites whose table would hold no difference are left out.
    """
    methods: dict[_Group, set[str]] = defaultdict(set)
    prompts: dict[_Group, set[str]] = defaultdict(set)
    for unit in units:
        group = unit.backbone, unit.prompt_set
        methods[group].add(unit.method)
        prompts[group].add(unit.prompt_id)
    num_differences = sum(len(names) - 1 for names in methods.values())
    num_prompts = min((len(ids) for ids in prompts.values()), default=0)
    duration_s = max(settings.duration)
    backbones = {backbone for backbone, _ in methods}
    found = []
    for suite in settings.suite if num_differences else ():
        num_comparisons = num_differences * len(find_suite(suite).metrics)
        effect = detectable_effect(num_prompts, num_comparisons)
        spreads = recorded_spreads(
            Path(settings.runs), find_suite(suite).name, duration_s, backbones
        )
        metrics = tuple(MetricSpread(metric, spread) for metric, spread in spreads.items())
        found.append(SuitePower(suite, duration_s, num_prompts, num_comparisons, effect, metrics))
    return found


def recorded_spreads(
    runs: Path, suite: str, duration_s: float, backbones: set[str]
) -> dict[str, float]:
    """Return by metric the pooled spread of paired differences in earlier sweeps.

    All pairs of methods of a backbone and prompt set count that differ on some prompt. Of each
    sweep only some hundred prompts and score files are read; more would hardly change a spread.
    """
    squares: dict[str, float] = defaultdict(float)
    degrees: dict[str, int] = defaultdict(int)
    for root in sorted(runs.glob("*/")):
        for metric, values in _recorded(root, suite, duration_s, backbones).items():
            for per_prompt in _differences(values):
                squares[metric] += float(((per_prompt - per_prompt.mean()) ** 2).sum())
                degrees[metric] += len(per_prompt) - 1
    return {
        metric: (squares[metric] / number) ** 0.5
        for metric, number in degrees.items()
        if number >= _MIN_DEGREES
    }


def _recorded(root: Path, suite: str, duration_s: float, backbones: set[str]) -> dict[str, _Values]:
    """Return the values of each metric of one sweep."""
    reader = Reader(root)
    paths = reader.paths
    if not (paths.unit_lines_path.is_file() and paths.suite_dir(suite).is_dir()):
        return {}
    # Rows follow each other in the file, so a prompt's methods may be far apart.
    pairs: dict[_Pair, list[UnitPlace]] = {}
    for line in reader.read_lines(paths.unit_lines_path, UnitPlace):
        pair = line.prompt_id, line.seed
        if line.backbone in backbones and (pair in pairs or len(pairs) < _SCORES_READ):
            pairs.setdefault(pair, []).append(line)
    scored = (
        line
        for lines in pairs.values()
        for line in lines
        if paths.scores_path(suite, line.unit_id).is_file()
    )
    found: dict[str, _Values] = {}
    for line in islice(scored, _SCORES_READ):
        scores = reader.read(paths.scores_path(suite, line.unit_id), Scores)
        group = line.backbone, line.prompt_id.rpartition("/")[0]
        for name, metric in scores.metrics.items() if scores else ():
            durations = {
                duration_of(key): value
                for key, value in metric.durations.items()
                if scores and not scores.stands_still(key)
            }
            if (value := durations.get(duration_s)) is not None:
                of_method = found.setdefault(name, {}).setdefault(group, {})
                of_method.setdefault(line.method, {})[line.prompt_id, line.seed] = value
    return found


def _differences(values: _Values) -> Iterator[np.ndarray]:
    """Yield the mean difference of each prompt, of each two methods that differ."""
    for methods in values.values():
        for one, other in combinations(methods.values(), 2):
            pairs = [pair for pair in one if pair in other]
            prompts: list[Hashable] = [prompt for prompt, _ in pairs]
            if len(set(prompts)) > 1:
                sums, counts = cluster_sums([one[p] - other[p] for p in pairs], prompts)
                if sums.any():
                    yield sums / counts

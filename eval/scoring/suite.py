"""Which metrics exist, and the suites they are scored in.

A suite has a version: change it whenever a number of the suite may change, because results of
different versions are not comparable.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from eval.metric import networks_of, opening_networks_of
from harness.core.errors import UnknownName, unknown_name
from harness.core.registry import Registry

METRICS = Registry(
    "metric",
    {
        "subject_feature_consistency": "eval.metrics.features:SubjectFeatureConsistency",
        "background_feature_consistency": "eval.metrics.features:BackgroundFeatureConsistency",
        "flicker_stability": "eval.metrics.pixels:FlickerStability",
        "flow_motion": "eval.metrics.flow:FlowMotion",
        "warp_smoothness": "eval.metrics.flow:WarpSmoothness",
        "sharpness_retention": "eval.metrics.pixels:SharpnessRetention",
        "subject_consistency": "eval.vbench_long.consistency:SubjectConsistency",
        "background_consistency": "eval.vbench_long.consistency:BackgroundConsistency",
        "temporal_flickering": "eval.vbench_long.dimensions:TemporalFlickering",
        "motion_smoothness": "eval.vbench_long.dimensions:MotionSmoothness",
        "dynamic_degree": "eval.vbench_long.dimensions:DynamicDegree",
        "aesthetic_quality": "eval.vbench_long.dimensions:AestheticQuality",
        "imaging_quality": "eval.vbench_long.dimensions:ImagingQuality",
        "overall_consistency": "eval.vbench_long.dimensions:OverallConsistency",
        "text_alignment": "eval.metrics.text_alignment:TextAlignment",
        "subject_color_error": "eval.recall.world_metrics:SubjectColorError",
        "subject_shape_error": "eval.recall.world_metrics:SubjectShapeError",
        "sky_error": "eval.recall.world_metrics:SkyError",
        "land_error": "eval.recall.world_metrics:LandError",
    },
    group="longtake.metrics",
    contract=("info", "setup", "measure", "combine", "curve"),
)


@dataclass(frozen=True)
class Suite:
    """A named, versioned set of metrics.

    Attributes:
        metrics: registered names, or "module:attribute" of a class.
        reencoded: whether clips are encoded again before they are scored, as VBench-Long does.
        clip_s: seconds to score two seconds of 832x480 video on four cores; rather too many.
        gpu_clip_s: the same with a GPU; None where a GPU is of no use.
    """

    name: str
    version: str
    metrics: tuple[str, ...]
    reencoded: bool = False
    clip_s: float = 1.0
    gpu_clip_s: float | None = None


DEFAULT_SUITE = "offline"
SUITES = {
    "offline": Suite(
        "offline",
        version="1",
        metrics=(
            "subject_feature_consistency",
            "background_feature_consistency",
            "flicker_stability",
            "flow_motion",
            "warp_smoothness",
            "sharpness_retention",
            "subject_color_error",
            "subject_shape_error",
            "sky_error",
            "land_error",
        ),
    ),
    "vbench_long": Suite(
        "vbench_long",
        version="1",
        metrics=(
            "subject_consistency",
            "background_consistency",
            "temporal_flickering",
            "motion_smoothness",
            "dynamic_degree",
            "aesthetic_quality",
            "imaging_quality",
            "overall_consistency",
            "text_alignment",
        ),
        reencoded=True,
        clip_s=120,
        gpu_clip_s=6,
    ),
}


def can_set_up(metric: str) -> bool:
    """Whether a metric, by its name in a suite, finds all it needs here."""
    try:
        METRICS.load(metric)().setup()
    except Exception:
        return False
    return True


def network_keys(suite: str) -> dict[str, set[str]]:
    """The networks of a suite, with their keys on every kind of device.

    No keys stand for a network whose key can't be told here: its weights are not on this machine,
    or come with a package and never change under one version of it.
    """
    from eval.metrics.flow import DIS_FLOW  # imports OpenCV

    found: dict[str, set[str]] = {DIS_FLOW.name: set()}
    for entry in find_suite(suite).metrics:
        metric = METRICS.load(entry)()
        for network in (*networks_of(metric), *opening_networks_of(metric)):
            found[network.name] = set()
            if getattr(network, "files", ()):
                with contextlib.suppress(OSError):
                    found[network.name] = {network.key(device) for device in ("cpu", "cuda")}
    return found


def check_suites(names: Iterable[str]) -> None:
    """Make sure that suites can be scored later.

    Raises:
        LongtakeError: an unknown suite, or a metric that can't be imported.
    """
    for name in names:
        for metric in find_suite(name).metrics:
            METRICS.load(metric)


def find_suite(name: str = DEFAULT_SUITE) -> Suite:
    """The suite called `name`; a metric is a suite of its own, as dear as the one it belongs to.

    Args:
        name: one of `SUITES`, a registered metric, or "module:attribute" of a class.

    Raises:
        LongtakeError: unknown name, with the nearest known one.
    """
    if name in SUITES:
        # A plug-in may have the name of one of our metrics; a suite of ours means ours.
        suite = SUITES[name]
        return replace(suite, metrics=tuple(map(METRICS.own_name, suite.metrics)))
    try:
        identity = METRICS.identity(name)
    except UnknownName as error:
        raise unknown_name("suite", name, [*SUITES, *METRICS.names()]) from error
    # The version of a plug-in is its source, so editing it scores again.
    version = identity.get("source_sha256", "1")[:12]
    own = Suite(name.rpartition(":")[2], version, metrics=(name,))
    for suite in SUITES.values():
        if identity == {"name": identity["name"]} and identity["name"] in suite.metrics:
            return replace(own, clip_s=suite.clip_s, gpu_clip_s=suite.gpu_clip_s)
    return own

"""The registered metrics, and the suites they are scored in.

Change the version of a suite whenever one of its numbers may change: results of different versions
are not comparable.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from eval.metric import Metric, check_arguments, networks_of, opening_networks_of
from eval.vbench_long.dataset import DIMENSIONS
from harness.core.errors import UnknownName, unknown_name
from harness.core.names import suite_stem
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
        "whole_subject_consistency": "eval.vbench_long.whole_video:WholeSubjectConsistency",
        "whole_background_consistency": "eval.vbench_long.whole_video:WholeBackgroundConsistency",
        "whole_temporal_flickering": "eval.vbench_long.whole_motion:WholeTemporalFlickering",
        "whole_motion_smoothness": "eval.vbench_long.whole_motion:WholeMotionSmoothness",
        "whole_dynamic_degree": "eval.vbench_long.whole_motion:WholeDynamicDegree",
        "whole_aesthetic_quality": "eval.vbench_long.whole_video:WholeAestheticQuality",
        "whole_imaging_quality": "eval.vbench_long.whole_video:WholeImagingQuality",
        "whole_overall_consistency": "eval.vbench_long.whole_text:WholeOverallConsistency",
        "judge_quality": "eval.metrics.judge:JudgeQuality",
        "judge_opening": "eval.metrics.judge:JudgeOpening",
        "videoalign_visual": "eval.metrics.rewards:VideoAlignVisual",
        "videoalign_motion": "eval.metrics.rewards:VideoAlignMotion",
        "videoalign_text": "eval.metrics.rewards:VideoAlignText",
        "visionreward": "eval.metrics.rewards:VisionReward",
        "hpsv3": "eval.metrics.rewards:HPSv3",
        "text_alignment": "eval.metrics.text_alignment:TextAlignment",
        "switch_text": "eval.metrics.switches:SwitchText",
        "switch_latency": "eval.metrics.switches:SwitchLatency",
        "switch_identity": "eval.metrics.switches:SwitchIdentity",
        "view_recall": "eval.recall.view_recall:ViewRecall",
        "view_recall_dino": "eval.recall.view_recall:ViewRecallDino",
        "sky_switch": "eval.recall.street_sky:SkySwitch",
        "sky_switch_latency": "eval.recall.street_sky:SkySwitchLatency",
        "sky_error": "eval.recall.street_sky:SkyError",
        "figure_recall": "eval.recall.street_recall:FigureRecall",
        "figure_identity": "eval.recall.street_recall:FigureIdentity",
        "place_recall": "eval.recall.street_recall:PlaceRecall",
        "visitor_recall": "eval.recall.street_visitor:VisitorRecall",
        "visitor_identity": "eval.recall.street_visitor:VisitorIdentity",
        "cups_accuracy": "eval.recall.street_cups:CupsAccuracy",
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
        clip_s: estimated seconds to score two seconds of 832x480 video on four cores, rounded up.
        gpu_clip_s: the same with a GPU; None if the suite does not use one.
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
        version="2",
        metrics=(
            "subject_feature_consistency",
            "background_feature_consistency",
            "flicker_stability",
            "flow_motion",
            "warp_smoothness",
            "sharpness_retention",
            "sky_error",
        ),
    ),
    "street": Suite(
        "street", version="2", metrics=("figure_recall", "figure_identity", "place_recall")
    ),
    "interactive": Suite(
        "interactive",
        version="2",
        metrics=(
            "switch_text",
            "switch_latency",
            "switch_identity",
            "sky_switch",
            "sky_switch_latency",
        ),
        clip_s=2,
    ),
    "recall": Suite(
        "recall",
        version="1",
        metrics=("view_recall", "view_recall_dino"),
        clip_s=20,
        gpu_clip_s=1,
    ),
    "street_visitor": Suite(
        "street_visitor", version="1", metrics=("visitor_recall", "visitor_identity")
    ),
    "street_cups": Suite("street_cups", version="1", metrics=("cups_accuracy",)),
    "judge": Suite("judge", version="1", metrics=("judge_quality", "judge_opening"), clip_s=10),
    "rewards": Suite(
        "rewards",
        version="1",
        metrics=(
            "videoalign_visual",
            "videoalign_motion",
            "videoalign_text",
            "visionreward",
            "hpsv3",
        ),
        clip_s=10,
    ),
    "vbench_long": Suite(
        "vbench_long",
        version="1",
        metrics=(*DIMENSIONS, "text_alignment"),
        reencoded=True,
        clip_s=120,
        gpu_clip_s=6,
    ),
    "vbench_clip": Suite(
        "vbench_clip",
        version="3",
        metrics=(
            "whole_subject_consistency",
            "whole_background_consistency",
            "whole_temporal_flickering",
            "whole_motion_smoothness",
            "whole_dynamic_degree",
            "whole_aesthetic_quality",
            "whole_imaging_quality",
            "whole_overall_consistency",
        ),
        # Most of the networks of vbench_long, by the estimate of all of them.
        clip_s=120,
        gpu_clip_s=6,
    ),
}


def can_set_up(metric: str) -> bool:
    """Return whether everything is here that a metric, by its name in a suite, needs."""
    try:
        built: Metric = METRICS.load(metric)()
        check_arguments(built)
        built.setup()
    except Exception:
        return False
    return True


def network_keys(suite: str) -> dict[str, set[str]]:
    """Return the networks of a suite by name, each with its keys on every kind of device.

    The set is empty for a network whose key is unknown here: its weights are not on this machine,
    or they come with a package and do not change within a version of it.
    """
    from eval.metrics.flow import DIS_FLOW  # imports OpenCV

    found: dict[str, set[str]] = {DIS_FLOW.name: set()}
    for entry in find_suite(suite).metrics:
        metric = METRICS.load(entry)()
        for network in (*networks_of(metric), *opening_networks_of(metric)):
            found[network.name] = getattr(network, "current_keys", set)()
            if getattr(network, "files", ()):
                with contextlib.suppress(OSError):
                    found[network.name] = {network.key(device) for device in ("cpu", "cuda")}
    return found


def check_suites(names: Iterable[str]) -> None:
    """Check that suites exist and their metrics can be imported.

    Raises:
        LongtakeError: an unknown suite, or a metric that can't be imported.
    """
    for name in names:
        for metric in find_suite(name).metrics:
            METRICS.load(metric)


def find_suite(name: str = DEFAULT_SUITE) -> Suite:
    """Return the suite called `name`; the name of a metric means a suite of that metric alone.

    Such a suite has the cost estimates of the suite that contains the metric.

    Args:
        name: one of `SUITES`, a registered metric, or "module:attribute" of a class.

    Raises:
        UnknownName: unknown name, with the nearest known one.
    """
    if name in SUITES:
        # A plug-in may have the name of a built-in metric; a built-in suite means the built-in one.
        suite = SUITES[name]
        return replace(suite, metrics=tuple(map(METRICS.own_name, suite.metrics)))
    try:
        identity = METRICS.identity(name)
    except UnknownName as error:
        raise unknown_name("suite", name, [*SUITES, *METRICS.names()]) from error
    # The digest of a plug-in's source is its version, so that editing it makes old scores stale.
    version = identity.get("source_sha256", "1")[:12]
    own = Suite(suite_stem(name), version, metrics=(name,))
    for suite in SUITES.values():
        if "source_sha256" not in identity and identity["name"] in suite.metrics:
            return replace(own, clip_s=suite.clip_s, gpu_clip_s=suite.gpu_clip_s)
    return own

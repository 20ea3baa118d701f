"""Which numbers may stand beside each other: a suite is of one kind, and kinds never mix.

A table holds one suite, so proxy metrics and VBench-Long numbers share no column and no ranking.
Quoted numbers have a type of their own (reports/papers/quoted.py) that no ranking accepts.
"""

from __future__ import annotations

from enum import StrEnum

from harness.store.scores import MetricInfo


class Kind(StrEnum):
    """What the numbers of a suite are."""

    vbench_long = "VBench-Long"
    proxy = "proxy metrics"
    own = "own metric"


_KINDS = {"offline": Kind.proxy, "vbench_long": Kind.vbench_long}

NOTES = {
    Kind.proxy: "Proxy metrics: small networks that need no download follow the dimensions of "
    "VBench. They compare rows of this page with each other; they are not VBench scores and must "
    "not be set beside published ones.",
    Kind.vbench_long: "VBench-Long dimensions, measured here by this suite's own pipeline.",
    Kind.own: "A metric of your own, scored alone.",
}

_GROUPS = {
    "Consistency": ("consistency", "subject_feature", "background_feature", "first_window"),
    "Temporal": ("flicker", "smoothness"),
    "Motion": ("dynamic", "motion", "frozen"),
    "Frame quality": ("aesthetic", "imaging", "sharpness"),
    "Prompt": ("overall_consistency", "text", "alignment"),
    "Ground truth": ("_error",),
    "Retrieval": ("retrieval", "recall", "hits"),
}


def kind_of(suite: str) -> Kind:
    """The kind of a suite by its name; a plug-in is a suite of its own."""
    return _KINDS.get(suite, Kind.own)


def group_of(info: MetricInfo) -> str:
    """The heading a metric stands under."""
    # The longest fragment decides: overall_consistency belongs to the prompt.
    fits = [
        (len(fragment), group)
        for group, fragments in _GROUPS.items()
        for fragment in fragments
        if fragment in info.name
    ]
    return max(fits)[1] if fits else "Other"


def grouped(metrics: tuple[MetricInfo, ...]) -> list[tuple[str, list[MetricInfo]]]:
    """The metrics under their headings, both in a fixed order."""
    headings: dict[str, list[MetricInfo]] = {name: [] for name in (*_GROUPS, "Other")}
    for info in metrics:
        headings[group_of(info)].append(info)
    return [(name, infos) for name, infos in headings.items() if infos]

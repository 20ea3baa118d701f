"""Columns of a table: their order by heading, and the kind of suite that they come from.

A table holds one suite. Proxy metrics and VBench-Long numbers are suites of their own, so they
share no column and no ranking; quoted numbers (reports/papers/quoted.py) have a type that no
ranking accepts.
"""

from __future__ import annotations

from collections.abc import Iterable

from eval.metric import Heading, Kind, MetricInfo

NOTES = {
    Kind.proxy: "Proxy metrics: small networks that need no download follow the dimensions of "
    "VBench. They compare rows of this page with each other; they are not VBench scores and must "
    "not be set beside published ones.",
    Kind.vbench_long: "VBench-Long dimensions, measured here by this suite's own pipeline.",
    Kind.vbench_whole: "Dimensions of VBench on whole videos as one clip, lower than those of "
    "VBench-Long for the same videos and not to be set beside them.",
    Kind.judge: "Judged by a language model that sees frames. Another model, or another version of "
    "its questions, is another scale.",
    Kind.reward: "Learned rewards of whole videos. Each model is a scale of its own; users report "
    "scores that do not reproduce and turn the order of methods round.",
    Kind.truth: "Differences from the ground truth of the embedded world.",
    Kind.own: "A metric of your own, scored alone.",
}


FIRST = (
    Kind.truth,
    Kind.vbench_long,
    Kind.vbench_whole,
    Kind.judge,
    Kind.reward,
    Kind.own,
    Kind.proxy,
)
"""Kinds of suites in the order of a report: what is known exactly first, proxies last."""


def kind_of(metrics: Iterable[MetricInfo]) -> Kind:
    """Return the kind of a suite: the one of its metrics that asks for the most care."""
    kinds = {info.kind for info in metrics}
    return next((kind for kind in Kind if kind in kinds), Kind.own)


def grouped(metrics: Iterable[MetricInfo]) -> list[tuple[str, list[MetricInfo]]]:
    """Return the metrics under their headings, known headings first and `other` last."""
    headings: dict[str, list[MetricInfo]] = {
        str(heading): [] for heading in Heading if heading is not Heading.other
    }
    last: list[MetricInfo] = []
    for info in metrics:
        (last if info.heading == Heading.other else headings.setdefault(info.heading, [])).append(
            info
        )
    named = [(heading, infos) for heading, infos in headings.items() if infos]
    return [*named, (str(Heading.other), last)] if last else named

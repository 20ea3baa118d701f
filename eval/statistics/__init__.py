"""Means with clustered uncertainty, comparisons that hold over a whole table, and ranks.

The prompt is the unit of sampling throughout: its videos are one cluster.
"""

from eval.statistics.clusters import (
    MIN_CLUSTERS,
    Estimate,
    Interval,
    cluster_sums,
    mean_and_stderr,
    means_by_group,
)
from eval.statistics.intervals import (
    MIN_DIFFERING,
    NoInterval,
    bootstrap_interval,
    bootstrap_t,
    no_interval,
)
from eval.statistics.paired import (
    MARK_LEVELS,
    P,
    PairedDifference,
    paired_differences,
    table_p,
)
from eval.statistics.ranks import AverageRanks, average_ranks, rank_intervals
from eval.statistics.sign_flips import NUM_FLIPS, differences_p, not_best_p

__all__ = [
    "MARK_LEVELS",
    "MIN_CLUSTERS",
    "MIN_DIFFERING",
    "NUM_FLIPS",
    "AverageRanks",
    "Estimate",
    "Interval",
    "NoInterval",
    "P",
    "PairedDifference",
    "average_ranks",
    "bootstrap_interval",
    "bootstrap_t",
    "cluster_sums",
    "differences_p",
    "mean_and_stderr",
    "means_by_group",
    "no_interval",
    "not_best_p",
    "paired_differences",
    "rank_intervals",
    "table_p",
]

"""Means with clustered uncertainty, paired comparisons and average ranks.

The prompt is the unit of sampling throughout: its videos are one cluster.
"""

from eval.statistics.clusters import (
    MIN_CLUSTERS,
    Estimate,
    Interval,
    bootstrap_interval,
    mean_and_stderr,
)
from eval.statistics.paired import PairedDifference, paired_difference
from eval.statistics.ranks import AverageRanks, average_ranks, rank_intervals
from eval.statistics.signed_rank import holm, wilcoxon

__all__ = [
    "MIN_CLUSTERS",
    "AverageRanks",
    "Estimate",
    "Interval",
    "PairedDifference",
    "average_ranks",
    "bootstrap_interval",
    "holm",
    "mean_and_stderr",
    "paired_difference",
    "rank_intervals",
    "wilcoxon",
]

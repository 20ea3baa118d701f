"""Faults that take a minute to show: a time limit and a dead node.

They begin before all other tests and are checked after them.
"""

from __future__ import annotations

from slurm.status.verdicts import Verdict
from tests.slurm.cluster.site import Site, Struck


def _ended_well(site: Site, undisturbed: dict[str, str]) -> None:
    state = site.wait_for(lambda state: not state.with_verdict(Verdict.pending, Verdict.running))
    assert [shard.verdict for shard in state.shards] == [Verdict.done], site._report()
    assert len(state.shards[0].attempts) > 1
    assert site.hashes() == undisturbed


def test_a_time_limit_ends_an_attempt_but_not_the_work(
    struck: Struck, undisturbed: dict[str, str]
) -> None:
    _ended_well(struck.limited, undisturbed)
    assert all(attempt.ending for attempt in struck.limited.shards()[0].attempts)


def test_a_lost_node_is_no_failure(struck: Struck, undisturbed: dict[str, str]) -> None:
    """SLURM reports NODE_FAIL for a while, and the old process is still running."""
    _ended_well(struck.bereft, undisturbed)
    nodes = [attempt.node for attempt in struck.bereft.shards()[0].attempts]
    assert nodes[0] == struck.node
    assert nodes[-1] != struck.node

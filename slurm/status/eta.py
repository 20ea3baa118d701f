"""Estimated time until a shard is done."""

from __future__ import annotations

from dataclasses import dataclass

from slurm.status.verdicts import ShardState


@dataclass(frozen=True)
class Eta:
    """Remaining work of a shard and its pace.

    Attributes:
        left: latent frames or clips that are not done.
        amount_s: seconds for each; None before the first that was not replayed.
    """

    left: int
    amount_s: float | None

    @property
    def seconds(self) -> float | None:
        """Seconds until the shard is done; None if the pace is unknown."""
        return None if self.amount_s is None else self.left * self.amount_s


def eta(state: ShardState) -> Eta:
    """Estimate the remaining work and the pace of a shard from its newest attempt."""
    amounts = dict(zip(state.shard.items, state.shard.amounts, strict=True))
    left = sum(amounts[item] for item in state.left if item not in state.failed)
    if not state.attempts:
        return Eta(left, None)
    attempt = state.attempts[-1]
    # An item that is finished has left `state.left`, with its amount.
    in_work = [(attempt.item, attempt.amount), *((b.item, b.amount) for b in attempt.beside)]
    made = sum(amount for item, amount in in_work if item in state.left)
    spent_s = attempt.updated - attempt.item_started
    computed = attempt.amount - attempt.replayed
    pace_s = spent_s / len(in_work)  # the others in step are made in the same time
    amount_s = pace_s / computed if computed and spent_s > 0 else None
    return Eta(left - made, amount_s)

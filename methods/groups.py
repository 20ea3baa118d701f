"""Groups of heads: which heads of which layers have a context of their own."""

from __future__ import annotations

from collections.abc import Sequence

# Indices of heads, for each layer of a model.
Heads = tuple[tuple[int, ...], ...]


def problem_of(groups: Sequence[Heads], layers: int, heads: int) -> str | None:
    """Return what is wrong with groups; None if nothing is.

    Args:
        groups: heads of each group.
        layers: layers of the model.
        heads: heads of a layer.
    """
    taken: set[tuple[int, int]] = set()
    for number, group in enumerate(groups):
        if len(group) != layers:
            return f"group {number} has heads of {len(group)} layers; the model has {layers}"
        for layer, row in enumerate(group):
            for head in row:
                if not 0 <= head < heads:
                    return (
                        f"group {number} has head {head} of layer {layer}; there are heads "
                        f"0..{heads - 1}"
                    )
                if (layer, head) in taken:
                    return (
                        f"group {number} has head {head} of layer {layer}, which is in a group "
                        "already; groups must not overlap"
                    )
                taken.add((layer, head))
    if len(taken) == layers * heads:
        return "the groups leave no head to the plan itself"
    return None


def others(groups: Sequence[Heads], layers: int, heads: int) -> Heads:
    """Return the heads that are in no group."""
    taken = [{head for group in groups for head in group[layer]} for layer in range(layers)]
    return tuple(tuple(h for h in range(heads) if h not in row) for row in taken)


def by_layer(numbers: Sequence[int], layers: int, heads: int) -> Heads:
    """Return heads that are counted through all layers, head 0 of layer 1 being number `heads`."""
    chosen = set(numbers)
    return tuple(
        tuple(head for head in range(heads) if layer * heads + head in chosen)
        for layer in range(layers)
    )

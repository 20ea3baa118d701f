"""Shares of attention as tables, and as one page with its pictures.

Every function takes `SHARES`: a line per block, layer and role, with the share of attention and of
tokens. A block without frames of a role counts with 0, so the shares of a row add up to 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, select_autoescape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.site.style import PALETTE
from reports.tables.formatting import DASH

SHARES = ["first_latent", "layer", "role", "attention", "tokens"]
PAST = ("memory", "virtual", "sink", "local")
"""Roles of past frames, in the order of the sections."""
HARDLY = 0.5
"""Below this share of a uniform attention a layer hardly reads frames of a role."""
_QUARTERS = 4
_TEMPLATES = Path(__file__).parent / "templates"
_MOST_PICTURES = 6


@dataclass(frozen=True)
class Slot:
    """A virtual frame at the end of the video: the share of each latent frame, and pictures.

    Attributes:
        number: its number in plans, below 0.
        parts: share by latent frame.
        pictures: RGB by latent frame, (height, width, 3), of some of them.
    """

    number: int
    parts: Mapping[int, float]
    pictures: Mapping[int, np.ndarray]


@dataclass(frozen=True)
class GroupOfHeads:
    """Heads with a context of their own: indices by layer, and the roles of its frames."""

    heads: tuple[tuple[int, ...], ...]
    roles: tuple[str, ...]


def share_table(shares: pd.DataFrame, by: str | None) -> list[list[str]]:
    """Return attention / tokens (ratio) as text, a column per role.

    Args:
        shares: `SHARES`.
        by: "layer", "quarter" of the video, or None for one line of everything.
    """
    if by == "quarter":
        end = shares["first_latent"].max() + 1
        shares = shares.assign(quarter=1 + _QUARTERS * shares["first_latent"] // end)
    means = _means(shares, [by] if by else [])
    roles = list(dict.fromkeys(shares["role"]))
    lines = [["", *roles]]
    for name, row in means.groupby(level=0, sort=True):
        of_role = row.droplevel(0)
        cells = [_cell(of_role.loc[role]) if role in of_role.index else "" for role in roles]
        lines.append([str(name) if by else "", *cells])
    return lines


def _cell(row: pd.Series) -> str:
    given, tokens = row["attention"], row["tokens"]
    return f"{given:.1%} / {tokens:.1%} ({given / tokens:.2f})" if tokens else ""


def _means(shares: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return mean attention and tokens by keys (at least one level) and role."""
    shares = shares if keys else shares.assign(all=0)
    keys = keys or ["all"]
    sums = shares.groupby([*keys, "role"], sort=False)[["attention", "tokens"]].sum()
    rows = shares.drop_duplicates([*dict.fromkeys([*keys, "first_latent", "layer"])])
    counts = rows.groupby(keys).size().rename("count").reset_index()
    means = sums.reset_index().merge(counts, on=keys)
    for name in ("attention", "tokens"):
        means[name] /= means["count"]
    return means.set_index([*keys, "role"])[["attention", "tokens"]]


def readers(shares: pd.DataFrame, role: str) -> pd.Series:
    """Return by layer how much of a uniform attention the frames of a role receive, most first."""
    means = _means(shares, ["layer"]).xs(role, level="role")
    ratio: pd.Series = means["attention"] / means["tokens"]
    return ratio.sort_values(ascending=False, kind="stable")


def sentences(shares: pd.DataFrame) -> list[str]:
    """Say for each role of the past what it receives, and which layers read it."""
    overall = _means(shares, []).droplevel(0)
    found = []
    for role in PAST:
        if role not in overall.index or not overall.loc[role, "tokens"]:
            continue
        given, tokens = overall.loc[role, ["attention", "tokens"]]
        ratio = readers(shares, role)
        hardly = sorted(int(layer) for layer in ratio[ratio < HARDLY].index)
        most = ", ".join(f"{layer} ({value:.2f})" for layer, value in ratio.head(3).items())
        text = f"{role}: {tokens:.0%} of the tokens, {given:.0%} of the attention. "
        text += f"Layers that read it most: {most}. "
        text += f"Hardly (below {HARDLY:g}): {', '.join(map(str, hardly)) or 'none'}."
        found.append(text)
    return found


def write_attention(
    folder: Path,
    title: str,
    shares: pd.DataFrame,
    slots: Sequence[Slot],
    groups: Sequence[GroupOfHeads],
) -> Path:
    """Write index.html, shares.csv and pictures into a folder and return the page.

    Args:
        folder: created if it doesn't exist; files of an earlier page are replaced.
        title: heading.
        shares: `SHARES`.
        slots: virtual frames; empty without any.
        groups: groups of heads, those of the plan itself first; empty without groups.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shares.to_csv(folder / "shares.csv", index=False)
    pictures = {"Over time and by layer": _save(_curves(shares), folder / "curves.png")}
    for role in PAST:
        if role in set(shares["role"]):
            name = f"Attention on {role} frames, as a share of uniform attention"
            pictures[name] = _save(_map_of(shares, role), folder / f"{role}.png")
    if slots:
        name = "What the virtual frames are made of at the end"
        pictures[name] = _save(_composition(slots), folder / "slots.png")
    if any(slot.pictures for slot in slots):
        name = "The frames with the largest shares in each virtual frame"
        pictures[name] = _save(_strips(slots), folder / "slot_frames.png")
    if groups:
        pictures["Groups of heads at the end"] = _save(_heads(groups), folder / "groups.png")
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=select_autoescape(default=True)
    )
    page = environment.get_template("attention.html.j2").render(
        title=title,
        sentences=sentences(shares),
        tables={
            "All blocks and layers": share_table(shares, None),
            "By quarter of the video": share_table(shares, "quarter"),
            "By layer": share_table(shares, "layer"),
            **({"Virtual frames": _slot_table(slots)} if slots else {}),
            **({"Groups": _group_table(groups)} if groups else {}),
        },
        pictures=pictures,
    )
    path = folder / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def _save(figure: Figure, path: Path) -> str:
    figure.savefig(path, dpi=110)
    return path.name


def _curves(shares: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    time, layers = (_means(shares, [key]) for key in ("first_latent", "layer"))
    for role, colour in zip(dict.fromkeys(shares["role"]), PALETTE, strict=False):
        over = time.xs(role, level="role").sort_index()
        left.plot(over.index, over["attention"], color=colour, label=role)
        left.plot(over.index, over["tokens"], color=colour, linestyle="dashed", linewidth=1)
        by_layer = layers.xs(role, level="role").sort_index()
        ratio = by_layer["attention"] / by_layer["tokens"]
        right.plot(by_layer.index, ratio, color=colour, marker=".", label=role)
    left.set(xlabel="first latent frame of the block", ylabel="share (dashed: of tokens)")
    right.axhline(1, color="#8b9098", linewidth=1)
    right.set(xlabel="layer", ylabel="attention / tokens")
    left.legend(frameon=False, fontsize=8)
    return figure


def _map_of(shares: pd.DataFrame, role: str) -> Figure:
    own = shares[shares["role"] == role]
    ratio = own.assign(ratio=own["attention"] / own["tokens"])
    grid = ratio.pivot_table(index="layer", columns="first_latent", values="ratio")
    figure = Figure(figsize=(8, 1.6 + 0.12 * len(grid)), layout="constrained")
    axes = figure.subplots()
    most = max(2.0, float(np.nanmax(grid.to_numpy())))
    image = axes.imshow(grid, aspect="auto", cmap="viridis", vmin=0, vmax=most)
    _ticks(axes, [str(column) for column in grid.columns], grid.index.tolist())
    axes.set(xlabel="first latent frame of the block", ylabel="layer")
    figure.colorbar(image, ax=axes, label="attention / tokens")
    return figure


def _ticks(axes: Axes, columns: Sequence[str], rows: Sequence[int]) -> None:
    every = max(1, len(columns) // 12)
    axes.set_xticks(range(0, len(columns), every), columns[::every])
    every = max(1, len(rows) // 15)
    axes.set_yticks(range(0, len(rows), every), [str(row) for row in rows[::every]])


def _composition(slots: Sequence[Slot]) -> Figure:
    end = 1 + max(frame for slot in slots for frame in slot.parts)
    grid = np.array([[slot.parts.get(frame, 0.0) for frame in range(end)] for slot in slots])
    figure = Figure(figsize=(8, 1.4 + 0.25 * len(slots)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(grid, aspect="auto", cmap="viridis")
    _ticks(axes, [str(frame) for frame in range(end)], [slot.number for slot in slots])
    axes.set(xlabel="latent frame", ylabel="slot")
    figure.colorbar(image, ax=axes, label="share")
    return figure


def _largest(slot: Slot) -> list[int]:
    ordered = sorted(slot.parts, key=lambda frame: (-abs(slot.parts[frame]), frame))
    return ordered[:_MOST_PICTURES]


def _strips(slots: Sequence[Slot]) -> Figure:
    figure = Figure(figsize=(1.5 * _MOST_PICTURES, 1.8 * len(slots)), layout="constrained")
    grid = figure.subplots(len(slots), _MOST_PICTURES, squeeze=False)
    for row, slot in zip(grid, slots, strict=True):
        for axes in row:
            axes.axis("off")
        for axes, frame in zip(row, _largest(slot), strict=False):
            if frame in slot.pictures:
                axes.imshow(slot.pictures[frame])
            axes.set_title(f"slot {slot.number}: {frame}, {slot.parts[frame]:.1%}", fontsize=7)
    return figure


def _heads(groups: Sequence[GroupOfHeads]) -> Figure:
    layers = len(groups[0].heads)
    width = 1 + max(head for group in groups for row in group.heads for head in row)
    grid = np.zeros((layers, width))
    for number, group in enumerate(groups):
        for layer, row in enumerate(group.heads):
            grid[layer, list(row)] = number
    figure = Figure(figsize=(1.5 + 0.3 * width, 1.4 + 0.18 * layers), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(grid, aspect="auto", cmap="tab10", vmin=0, vmax=9)
    _ticks(axes, [str(head) for head in range(width)], range(layers))
    axes.set(xlabel="head", ylabel="layer")
    bar = figure.colorbar(image, ax=axes, label="group (0: the plan itself)")
    bar.set_ticks(range(len(groups)))
    return figure


def _slot_table(slots: Sequence[Slot]) -> list[list[str]]:
    lines = [["slot", "latent frames", "oldest", "newest", "largest shares"]]
    for slot in slots:
        parts = ", ".join(f"{frame} ({slot.parts[frame]:.1%})" for frame in _largest(slot))
        numbers = (len(slot.parts), min(slot.parts), max(slot.parts))
        lines.append([str(slot.number), *map(str, numbers), parts])
    return lines


def _group_table(groups: Sequence[GroupOfHeads]) -> list[list[str]]:
    lines = [["group", "heads", "layers with heads", "frames"]]
    for number, group in enumerate(groups):
        counts = {role: group.roles.count(role) for role in dict.fromkeys(group.roles)}
        frames = ", ".join(f"{count} {role}" for role, count in counts.items()) or DASH
        heads, layers = sum(map(len, group.heads)), sum(bool(row) for row in group.heads)
        lines.append([str(number), str(heads), str(layers), frames])
    return lines

"""Fidelity of the rows of a sweep to one of them, such as that of the full cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd

from eval.errors import MetricUnavailable
from eval.metrics.fidelity import fidelity
from eval.network import Runner
from eval.statistics import mean_and_stderr
from eval.video.decode import VideoDamaged
from harness.core.errors import ConfigError, unknown_name
from harness.store.frames import Sweep, as_dicts
from reports.tables.formatting import number

PAIR = ["backbone", "prompt_id", "seed"]
COLUMNS = [*PAIR, "method", "reference", "psnr_db", "ssim", "lpips", "num_frames", "reason"]


def fidelity_pairs(
    sweep: Sweep,
    reference: str,
    advance: Callable[[int, int], None] = lambda *_: None,
    lpips: Runner | None = None,
) -> pd.DataFrame:
    """Compare every video with that of `reference` for the same backbone, prompt and seed.

    Args:
        sweep: the loaded run stores.
        reference: label of the method that others are compared with.
        advance: called with the number of compared pairs and of all.
        lpips: `eval.networks.lpips.LPIPS`, loaded; None leaves its column empty.

    Returns:
        `COLUMNS`, a line per pair; the numbers are NaN where there is a reason.

    Raises:
        UnknownName: the sweep has no such method.
        ConfigError: no other video has a pair.
    """
    if reference not in sweep.methods:
        raise unknown_name("method", reference, sweep.methods)
    done = sweep.units[sweep.units["status"] == "done"]
    full = done[done["method"] == reference]
    others = done[done["method"] != reference]
    pairs = others.merge(full, on=PAIR, suffixes=("", "_full"))
    if pairs.empty:
        raise ConfigError(f"No video has a pair of {reference}: same backbone, prompt, seed.")
    lines = []
    for count, pair in enumerate(as_dicts(pairs), start=1):
        video, full_video = (
            sweep.unit_folder({"unit_id": pair[f"unit_id{end}"], "source": pair[f"source{end}"]})
            / pair[f"video{end}"]
            for end in ("", "_full")
        )
        line = {name: pair[name] for name in (*PAIR, "method")} | {"reference": reference}
        try:
            lines.append(line | vars(fidelity(video, full_video, lpips)))
        except (MetricUnavailable, VideoDamaged) as error:
            lines.append(line | {"reason": str(error)})
        advance(count, len(pairs))
    return pd.DataFrame(lines, columns=COLUMNS)


def fidelity_rows(pairs: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield backbone, method, PSNR, SSIM, LPIPS and number of pairs of each row, as texts.

    Args:
        pairs: of `fidelity_pairs`. Standard errors are by prompt.
    """
    for (backbone, method), row in pairs.groupby(["backbone", "method"], sort=False):
        known = row[row["psnr_db"].notna()]
        cells = []
        for name, decimals in (("psnr_db", 2), ("ssim", 4), ("lpips", 4)):
            if known.empty:
                cells.append(str(row["reason"].iloc[0]))
                continue
            if known[name].isna().any():  # no weights, or frames too small for it
                cells.append("-")
                continue
            mean = mean_and_stderr(known[name].tolist(), known["prompt_id"].tolist())
            error = "" if mean.stderr is None else f" ± {number(mean.stderr, decimals)}"
            cells.append(f"{number(mean.mean, decimals)}{error}")
        yield str(backbone), str(method), *cells, f"{len(known)} of {len(row)}"

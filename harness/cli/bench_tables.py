"""Tables of `dev bench`: one block, one video, and the machine they were timed on."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from harness.studies.bench.rollout import BenchResult, BenchRow


def block_table(result: BenchResult) -> Table:
    """Return the times of one block, row by row."""
    columns = (
        *("first", "steady", "frames/s", "pass", "clean", "gather", "append"),
        *("encode", "search", "fetch", "hidden", "floor", "/floor", "/row 1"),
    )
    table = _table("one block, milliseconds", columns)
    for number, row in enumerate(result.rows, start=1):
        block, hidden = row.block, row.block.fetch_hidden
        table.add_row(
            str(number),
            *(f"{1000 * seconds:.1f}" for seconds in (block.first, block.steady)),
            f"{block.frames_per_s:.1f}",
            *(
                f"{1000 * seconds:.1f}"
                for seconds in (
                    block.denoising_pass,
                    block.clean_pass,
                    block.gather,
                    block.append,
                    block.encode,
                    block.search,
                    block.fetch,
                )
            ),
            "" if hidden is None else f"{hidden:.0%}",
            f"{1000 * block.floor:.1f}",
            f"{block.steady / block.floor:.2f}",
            f"{block.steady / result.rows[0].block.steady:.2f}",
        )
    return table


def sharing_table(result: BenchResult) -> Table:
    """Return rollout and decoder, each alone and both at once, row by row."""
    columns = ("rollout", "decode", "both", "overlap", "decode floor")
    rates = ("rollout frames/s", "decode frames/s", "both frames/s")
    table = _table("rollout and decoder of one block, milliseconds", columns + rates)
    for number, row in enumerate(result.rows, start=1):
        block = row.block
        seconds = (block.steady, block.decode, block.both)
        frames = block.frames_per_s * block.steady
        table.add_row(
            str(number),
            *(f"{1000 * value:.1f}" for value in seconds),
            f"{block.overlap:.0%}",
            f"{1000 * block.decode_floor:.1f}",
            *(f"{frames / value:.1f}" for value in seconds),
        )
    return table


def video_table(result: BenchResult) -> Table:
    """Return the times and the memory of one video, row by row."""
    columns = ("video", "rollout", "decode", "first frames", "write", "score", "total")
    memory = ("device MiB", "host MiB", "K/V device", "host", "file")
    table = _table("one video, seconds and MiB", columns + memory)
    for number, row in enumerate(result.rows, start=1):
        table.add_row(str(number), *_video_cells(row))
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title)
    for name in ("row", *columns):
        table.add_column(name, no_wrap=True, justify="right")
    return table


def _video_cells(row: BenchRow) -> list[str]:
    video = row.video
    seconds = (
        *(video.rollout_s, video.decode_s, video.first_frames_s, video.encode_s),
        *(video.score_s, video.total_s),
    )
    device = video.peak_device_mib
    return [
        f"{row.duration_s:g} s",
        *("" if value is None else f"{value:.2f}" for value in seconds),
        "" if device is None else f"{device:.0f}",
        f"{video.peak_host_mib:.0f}",
        *(f"{video.kv_mib[tier]:.0f}" for tier in ("device", "host", "spilled")),
    ]


def machine_lines(result: BenchResult) -> tuple[str, ...]:
    """Return what was measured on, and how to read the tables."""
    machine, row = result.machine, result.rows[-1]
    rates, kernels = row.rates, row.kernels
    device = machine.gpu or machine.host_cpu
    upload = rates.upload_bytes_per_s
    return (
        f"{device}, {machine.threads} threads, torch {machine.torch}; attention "
        f"{kernels['attention']}, {'compiled' if kernels['compiled'] else 'not compiled'}",
        f"measured: products {rates.matmul_flops_per_s / 1e12:.2f} Tflop/s, copies "
        f"{rates.copy_bytes_per_s / 1e9:.1f} GB/s"
        + (f", from pinned memory {upload / 1e9:.1f} GB/s" if upload else ""),
        "one block is the median of the second half of the video; encode, search and fetch run "
        "beside the passes on a GPU",
        "overlap: the share of rollout or decode, whichever is shorter, that both at once hide",
    )

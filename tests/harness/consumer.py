"""A program of a user that uses all of `harness`: test_wheel.py checks its types, nothing runs it.

`assert_type` fails where a type is lost, and an ignored error that mypy would not report fails too.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import assert_type

import pandas as pd

from harness import (
    Backbone,
    Block,
    ClusterError,
    ConfigError,
    ContextPlan,
    DeviceError,
    DeviceLost,
    DiskError,
    EnvironmentFailed,
    Listener,
    LongtakeError,
    MemoryStrategy,
    MissingWeights,
    PlanError,
    Record,
    ReplayResult,
    Result,
    Store,
    StoreError,
    TrainingDiverged,
    UnknownName,
    Votes,
    WorkFailed,
    __version__,
    count_votes,
    export,
    fidelity,
    generate,
    grid,
    judge,
    load_backbone,
    load_method,
    open_store,
    replay,
    report,
    rollout,
    score_store,
    score_videos,
    sweep,
    vote_page,
)

PROMPT = "dusk grassy four walking"


def make(listener: Listener) -> Result:
    result = sweep("prompts.num=1", method=["rag", "oldest"], duration=3, progress=listener)
    assert_type(result.records, Mapping[str, Record])
    assert_type(result.videos, list[Path])
    assert_type(result.failures, Mapping[str, str])
    assert_type(generate(PROMPT, method="rag", progress=True), Result)
    return result


def score(result: Result) -> Store:
    assert_type(score_videos(dict.fromkeys(result.videos, PROMPT)), Result)
    assert_type(score_videos("mine", "prompts.jsonl", ["offline"], [3, 6]), Result)
    return score_store(result.store, "flicker_stability", duration=3).store


def read(store: Store) -> Path:
    frames = (store.units, store.scores, store.curves, store.traces, store.timings)
    for frame in frames:
        assert_type(frame, pd.DataFrame)
    assert_type(open_store("main", Path("runs/other")), Store)
    return report(store, "other", out="site", assets="copy")


def show(store: Store) -> Votes:
    assert_type(export(store, "other", videos=True), Path)
    assert_type(grid(store, method=["rag", "oldest"], seed=0), Path)
    assert_type(fidelity(store, reference="rag"), pd.DataFrame)
    assert_type(vote_page(store, pairs=12), Path)
    assert_type(judge(store, "http://localhost:8000/v1", "some", duration=30), Result)
    return count_votes(store, ["votes"])


def roll_out(strategy: MemoryStrategy) -> list[ContextPlan]:
    backbone = load_backbone("street", denoising_step_list=[1000])
    assert_type(backbone, Backbone)
    assert_type(load_method("rag", layout="aged"), MemoryStrategy)
    blocks = rollout(backbone, PROMPT, strategy, duration=6)
    assert_type(blocks, Iterator[Block])
    return [block.plan for block in blocks]


def check() -> str:
    result = replay("case.safetensors")
    assert_type(result, ReplayResult)
    return f"{result.relative_error:.1e} {result.passes(1e-3)} {__version__}"


def handled(error: LongtakeError) -> bool:
    mistakes = (ConfigError, UnknownName, MissingWeights, PlanError, StoreError)
    later = (EnvironmentFailed, ClusterError, DeviceError, DeviceLost, DiskError)
    return isinstance(error, (*mistakes, *later, WorkFailed, TrainingDiverged))


def mistaken(store: Store) -> None:
    import harness

    generate(3)  # type: ignore[arg-type]
    print(store.score)  # type: ignore[attr-defined]
    rollout("street", PROMPT)  # type: ignore[arg-type]
    harness.score_video("a.mp4")  # type: ignore[attr-defined]

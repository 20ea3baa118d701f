"""data/videos/ and the pages of single videos."""

from __future__ import annotations

from dataclasses import dataclass

from reports.site.schema.base import Link, Number


@dataclass(frozen=True)
class Prompt:
    """A prompt of a piece; long texts are cut.

    Attributes:
        place: position in the order of the sweep.
    """

    prompt_id: str
    text: str
    place: int


@dataclass(frozen=True)
class Videos:
    """Columns of videos.

    Attributes:
        prompt: index into `VideoPiece.prompts`.
        strip, record: addresses.
    """

    unit_id: list[str]
    prompt: list[int]
    seed: list[int]
    status: list[str]
    length_s: list[Number]
    strip: list[str | None]
    record: list[str | None]


@dataclass(frozen=True)
class VideoPiece:
    """data/videos/<name>.js: some videos of one table row, with their values.

    Attributes:
        scores: by suite the address of each video's scores.
        values: by suite, duration and metric the value of each video.
        counted: by suite and duration whether the table counts each video.
    """

    prompts: list[Prompt]
    videos: Videos
    scores: dict[str, list[str | None]]
    values: dict[str, dict[str, dict[str, list[Number]]]]
    counted: dict[str, dict[str, list[bool]]]


@dataclass(frozen=True)
class DriftCurve:
    """data/drift.js by suite and metric: columns of the mean curve of one row."""

    backbone: str
    prompt_set: str
    method: str
    second: list[Number]
    mean: list[Number]
    stderr: list[Number]


@dataclass(frozen=True)
class DriftEnds:
    """data/ends.js by suite and metric: a line of `reports.tables.drift_ends.drift_ends`.

    Attributes:
        seconds: length of each end.
    """

    backbone: str
    prompt_set: str
    method: str
    seconds: Number
    num_videos: int
    num_looping: int | None
    num_looping_of: int
    first: Number
    last: Number
    change: Number
    change_stderr: Number
    last_similarity: Number


@dataclass(frozen=True)
class Curves:
    """The clips of a video under one suite: columns of their times, and by metric of values."""

    start_s: list[float]
    end_s: list[float]
    values: dict[str, list[Number]]


@dataclass(frozen=True)
class Drift:
    """The change of a metric over one duration; fields as in `eval.scoring.drift.Drift`."""

    slope_per_min: Number
    early_half: Number
    late_half: Number
    late_similarity: Number


@dataclass(frozen=True)
class Retrieval:
    """One block: its start, and columns of the frames that its memory retrieved.

    Attributes:
        frame_s: start of each retrieved frame.
        similarity: to the newest frames; None where the method has none.
    """

    query_s: float
    frame_s: list[float]
    similarity: list[Number]


@dataclass(frozen=True)
class Video:
    """data/units/<unit_id>.js: everything known about one video.

    Attributes:
        source: index into `Site.sources`.
        video, strip: addresses; None where the report holds none.
        scores: by suite, metric and duration the number, or the reason why there is none.
        curves: by suite.
        timings_s: seconds by stage.
        memory_mib: peaks by kind of memory; None where not measured.
        drift: by suite, metric and duration.
        frozen_s: durations over which the video stands still.
        record: record.json as text.
    """

    unit_id: str
    backbone: str
    method: str
    prompt_id: str
    prompt: str
    seed: int
    source: int
    length_s: float
    width: int
    height: int
    video: str | None
    strip: str | None
    files: list[Link]
    sha256: str
    device: str | None
    scores: dict[str, dict[str, dict[str, float | str]]]
    curves: dict[str, Curves]
    retrievals: list[Retrieval]
    timings_s: dict[str, float]
    memory_mib: dict[str, Number]
    drift: dict[str, dict[str, dict[str, Drift]]]
    frozen_s: list[float | str]
    record: str

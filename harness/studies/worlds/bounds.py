"""Ceilings, floors and copies: the metrics of the street on videos that need no model.

Every video is spliced from renderings of one script: the same camera, light and cups, but other
things at each return.

Letters: V variant, F frame, H row, W column, C color.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from backbones.engine.script import Segment
from backbones.street.backbone import StreetBackbone
from backbones.street.encoder import load_encoder
from backbones.world.street.actors import ball_place
from backbones.world.street.cups import PLACES_PX
from backbones.world.street.prompt import Scene, StreetPrompt
from backbones.world.street.render import render, render_frames
from backbones.world.street.scene import Street, draw_street
from backbones.world.street.script import BLOCK_LATENTS, FPS, FRAMES_PER_LATENT, Script
from backbones.world.street.stories import make_games, make_visits
from backbones.world.street.visitor import AWAY_PX
from backbones.world.street.walks import make_walks
from eval.clip import ScoredSegment
from eval.metric import Clip, Metric, MetricUnavailable
from eval.scoring.suite import METRICS, SUITES
from eval.statistics import mean_and_stderr

_SUITES = {Scene.street: "street", Scene.visitor: "street_visitor", Scene.cups: "street_cups"}
_WALK_S, _CLIP_FRAMES = 30.0, 2 * FPS
TRUTH, VAE, COPY, OTHER = "truth", "truth through the VAE", "last view again", "another"


@dataclass(frozen=True)
class Bound:
    """A metric of one kind of video.

    Attributes:
        scene: the scene.
        metric: registered name.
        kind: what the videos show where something returns: the truth, the truth through encoder
            and decoder of the backbone, a copy of what was in view last, or something of another
            video.
        mean: over scripts.
        stderr: of the mean; None for a single script.
        num_scripts: scripts with a number.
    """

    scene: Scene
    metric: str
    kind: str
    mean: float
    stderr: float | None
    num_scripts: int


def measure_bounds(
    scenes: Sequence[Scene], num: int, seed: int, on_script: Callable[[], None]
) -> list[Bound]:
    """Score the videos of every kind, `num` scripts of each scene.

    Args:
        scenes: the scenes.
        num: scripts of each.
        seed: of scripts and streets.
        on_script: called after each script.
    """
    encode = load_encoder()
    start_decoder = StreetBackbone().load(torch.device("cpu"), []).start_decoder
    values: dict[tuple[Scene, str, str], list[float]] = {}
    for scene in scenes:
        for number, script in enumerate(_scripts(scene, num, seed)):
            street = draw_street(script.num_figures, 1000 * seed + number)
            videos = {TRUTH: _pixels(render(street, script))}
            latents = encode(render(street, script))
            videos[VAE] = start_decoder().decode(latents).numpy()
            videos |= _SPLICED[scene](street, script, random.Random(f"bounds {seed}/{number}"))
            for kind, frames_FHWC in videos.items():
                clips = _clips(frames_FHWC, script)
                for name in SUITES[_SUITES[scene]].metrics:
                    value = _score(METRICS.load(name)(), clips)
                    if value is not None:
                        values.setdefault((scene, name, kind), []).append(value)
            on_script()
    found = []
    for (scene, name, kind), of in values.items():
        estimate = mean_and_stderr(of, [str(number) for number in range(len(of))])
        found.append(Bound(scene, name, kind, estimate.mean, estimate.stderr, len(of)))
    return found


def markdown(bounds: Sequence[Bound]) -> Iterator[str]:
    """Yield the lines of a table of metrics by kind of video."""
    kinds = (TRUTH, VAE, COPY, OTHER)
    cells = {(one.scene, one.metric, one.kind): one for one in bounds}
    yield "| scene | metric | " + " | ".join(kinds) + " | scripts |"
    yield "| --- " * (len(kinds) + 3) + "|"
    for scene, metric in dict.fromkeys((one.scene, one.metric) for one in bounds):
        row = [cells.get((scene, metric, kind)) for kind in kinds]
        texts = ["" if one is None else _text(one) for one in row]
        num = cells[scene, metric, TRUTH].num_scripts
        yield f"| {scene} | `{metric}` | " + " | ".join(texts) + f" | {num} |"


def _text(bound: Bound) -> str:
    spread = "" if bound.stderr is None else f" ± {bound.stderr:.2f}"
    return f"{bound.mean:.2f}{spread}"


def _scripts(scene: Scene, num: int, seed: int) -> list[Script]:
    if scene is Scene.street:
        return [Script.of_segments([(_WALK_S, str(prompt))]) for prompt in make_walks(num, seed)]
    drawn: list[tuple[Segment, ...]]
    drawn = (make_visits if scene is Scene.visitor else make_games)(num, seed)
    return [Script.of_segments([(one.seconds, one.prompt) for one in script]) for script in drawn]


def _walks(street: Street, script: Script, rng: random.Random) -> Mapping[str, np.ndarray]:
    """Show other figures in every lap; a copy of the last view is the truth."""
    lap_F = (script.path.x_px // street.lap_px).numpy()
    return {OTHER: _with_others(street, script, lap_F, rng)}


def _visitors(street: Street, script: Script, rng: random.Random) -> Mapping[str, np.ndarray]:
    """Let the first visitor come every time, or a new one."""
    same = tuple(replace(shot, prompt=_staying(shot.prompt)) for shot in script.shots)
    away_F = (script.visitor.away_px == AWAY_PX).numpy()
    stay_F = np.cumsum(np.diff(away_F, prepend=False) & away_F)
    return {
        COPY: _pixels(render(street, Script(same))),
        OTHER: _with_others(street, Script(same), stay_F, rng),
    }


def _staying(prompt: StreetPrompt) -> StreetPrompt:
    comes = prompt.motion in ("another", "first")
    return replace(prompt, motion="staying") if comes else prompt


def _games(street: Street, script: Script, rng: random.Random) -> Mapping[str, np.ndarray]:
    """Show the ball where it was at first every time, or at a place by chance."""
    up_F = (script.cups.lift_px > 0).numpy()
    look_F = np.cumsum(np.diff(up_F, prepend=False) & up_F) - 1
    # Which cup the ball is under follows from where the street starts; the cups hide the rest.
    streets = [replace(street, start_px=street.start_px + cup) for cup in range(len(PLACES_PX))]
    places_VF = np.stack([ball_place(one, script).numpy() for one in streets])
    shown_VFHWC = np.stack([_pixels(render(one, script)) for one in streets])
    frames = np.arange(script.num_frames)
    chance = np.array([rng.randrange(len(PLACES_PX)) for _ in range(look_F[-1] + 1)])
    first = np.full(look_F[-1] + 1, places_VF[0, 0])
    return {
        kind: shown_VFHWC[(places_VF == place[look_F]).argmax(0), frames]
        for kind, place in ((COPY, first), (OTHER, chance))
    }


_SPLICED: Mapping[Scene, Callable[[Street, Script, random.Random], Mapping[str, np.ndarray]]] = {
    Scene.street: _walks,
    Scene.visitor: _visitors,
    Scene.cups: _games,
}


def _with_others(
    street: Street, script: Script, return_F: np.ndarray, rng: random.Random
) -> np.ndarray:
    """Return a video with the figures of another street after every return."""
    parts = []
    for number in range(int(return_F.max()) + 1):
        figures = draw_street(len(street.figures), rng.randrange(2**31)).figures
        shown = street if number == 0 else replace(street, figures=figures)
        frames = torch.from_numpy(np.flatnonzero(return_F == number))
        parts.append(_pixels(render_frames(shown, script, frames)))
    return np.concatenate(parts)


def _pixels(video: Tensor) -> np.ndarray:
    return ((video.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()


def _clips(frames_FHWC: np.ndarray, script: Script) -> list[Clip]:
    """Return the clips of a video as a scorer cuts them; the last one may overlap."""
    blocks = [0, *accumulate(shot.num_blocks for shot in script.shots)]
    lead = FRAMES_PER_LATENT - 1  # missing before the first frame
    segments = tuple(
        ScoredSegment(max(0, block * BLOCK_LATENTS * FRAMES_PER_LATENT - lead), str(shot.prompt))
        for block, shot in zip(blocks, script.shots, strict=False)
    )
    last = len(frames_FHWC) - _CLIP_FRAMES
    return [
        Clip(frames_FHWC[start : start + _CLIP_FRAMES], start, FPS, "", segments)
        for start in sorted({*range(0, last, _CLIP_FRAMES), last})
    ]


def _score(metric: Metric, clips: Sequence[Clip]) -> float | None:
    """Return the number of a video; None where nothing returns."""
    try:
        combined = metric.combine([metric.measure(clip) for clip in clips])
    except MetricUnavailable:
        return None
    return combined if isinstance(combined, float) else combined.value

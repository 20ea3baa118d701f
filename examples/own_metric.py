"""A metric of your own: how bright a video is.

Run it with `python own_metric.py`, or name the class on the command line, in this folder:
`python -m harness eval NAME suite=own_metric:Brightness`
"""

import harness
from eval.metric import Clip, ClipMean, ClipMeasure, Direction, MetricInfo


class Brightness(ClipMean):
    """Mean of all pixels."""

    info = MetricInfo("brightness", "Brightness", Direction.higher, "0..1", "Mean of all pixels.")

    def measure(self, clip: Clip) -> ClipMeasure:
        """Return the mean of a clip of two seconds, in 0..1."""
        return ClipMeasure(float(clip.frames_FHWC.mean()) / 255)


if __name__ == "__main__":
    prompt = "dusk grassy four walking"
    made = harness.generate(prompt, name="own_metric", duration=3, progress=True)
    scored = harness.score_store(made.store, "own_metric:Brightness", progress=True)
    print(scored.store.scores[["prompt", "metric", "value"]])
    print(scored.store.curves[["metric", "start_s", "end_s", "value"]])

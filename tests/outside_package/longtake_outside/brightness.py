"""A metric: how bright a clip is."""

from eval.metric import Clip, ClipMean, ClipMeasure, Direction, MetricInfo


class Brightness(ClipMean):
    """Mean of all pixels."""

    info = MetricInfo("brightness", "Brightness", Direction.higher, "0..1", "Mean of all pixels.")

    def measure(self, clip: Clip) -> ClipMeasure:
        """Return the mean of all pixels, in 0..1."""
        return ClipMeasure(float(clip.frames_FHWC.mean()) / 255)

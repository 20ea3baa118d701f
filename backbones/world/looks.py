"""Skies, lands and looks of figures, by name; colors are RGB in 0..1.

The order of the names is that of trained weights and of drawn streets.
"""

from __future__ import annotations

Rgb = tuple[float, float, float]

# The sky is a vertical gradient: (color at the horizon, color at the zenith).
SKY_RGB: dict[str, tuple[Rgb, Rgb]] = {
    "dawn": ((0.98, 0.72, 0.55), (0.55, 0.60, 0.85)),
    "noon": ((0.75, 0.90, 1.00), (0.25, 0.55, 0.95)),
    "dusk": ((0.95, 0.45, 0.30), (0.25, 0.15, 0.45)),
    "night": ((0.15, 0.18, 0.35), (0.02, 0.03, 0.12)),
}
LAND_RGB: dict[str, Rgb] = {
    "grassy": (0.25, 0.60, 0.25),
    "sandy": (0.85, 0.72, 0.42),
    "snowy": (0.92, 0.95, 0.98),
    "volcanic": (0.35, 0.18, 0.16),
    "mossy": (0.20, 0.42, 0.35),
}
COLOR_RGB: dict[str, Rgb] = {
    "red": (0.90, 0.15, 0.15),
    "orange": (0.98, 0.55, 0.10),
    "yellow": (0.98, 0.90, 0.20),
    "lime": (0.50, 0.90, 0.20),
    "teal": (0.10, 0.70, 0.70),
    "blue": (0.15, 0.30, 0.95),
    "violet": (0.55, 0.20, 0.85),
    "pink": (0.98, 0.50, 0.75),
    "white": (0.97, 0.97, 0.97),
    "black": (0.06, 0.06, 0.08),
}
OUTLINE_RGB: Rgb = (0.08, 0.08, 0.08)
SKIES, LANDS, COLORS = tuple(SKY_RGB), tuple(LAND_RGB), tuple(COLOR_RGB)
SHAPES = ("ball", "box", "kite", "star")
PATTERNS = ("plain", "striped", "halved", "ringed")

"""A generator from elsewhere in one file: renders a prompt of the street exactly.

python render_world.py --prompt TEXT --seed N --frames N --out FILE.mp4
"""

import argparse

from backbones.engine.pixels import to_pixels
from backbones.world.street.prompt import StreetPrompt
from backbones.world.street.render import render
from backbones.world.street.scene import draw_street
from backbones.world.street.script import Script
from harness.run.video_writer import VideoWriter

parser = argparse.ArgumentParser()
for name, kind in (("prompt", str), ("seed", int), ("frames", int), ("out", str)):
    parser.add_argument(f"--{name}", type=kind, required=True)
given = parser.parse_args()

script = Script.of_changes([(0, StreetPrompt.parse(given.prompt))], given.frames)
street = draw_street(script.num_figures, given.seed)
with VideoWriter(given.out, fps=16, width=64, height=64) as writer:
    writer.write(to_pixels(render(street, script)[: given.frames]).numpy())

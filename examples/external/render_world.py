"""A generator from elsewhere in one file: renders a prompt of the embedded world exactly.

python render_world.py --prompt TEXT --seed N --frames N --out FILE.mp4
"""

import argparse

import torch

from backbones.world.grammar import ScenePrompt
from backbones.world.render import render, to_uint8_frames
from backbones.world.scene import scenes_from_prompts
from harness.run.video_writer import VideoWriter

parser = argparse.ArgumentParser()
for name, kind in (("prompt", str), ("seed", int), ("frames", int), ("out", str)):
    parser.add_argument(f"--{name}", type=kind, required=True)
given = parser.parse_args()

scenes = scenes_from_prompts([ScenePrompt.parse(given.prompt)], [given.seed])
with VideoWriter(given.out, fps=16, width=128, height=128) as writer:
    for frame in range(given.frames):
        writer.write(to_uint8_frames(render(scenes, torch.tensor([frame])))[0])

"""The command line of an external generator: a template, filled without a shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from harness.core.errors import ConfigError, unknown_name

PLACEHOLDERS = {
    "prompt": "the prompt, as one argument or a part of one",
    "prompt_file": "a text file that holds the prompt on one line",
    "script": 'a JSON file of the segments, [{"seconds": ..., "prompt": ...}, ...]',
    "seed": "the seed",
    "duration_s": "seconds of the longest duration asked for",
    "num_frames": "video frames of that duration",
    "num_latents": "latent frames of that duration",
    "python": "the interpreter that runs Longtake",
    "out": "where to write the video, a path that ends in .mp4",
    "out_folder": "an empty folder; the one video in it is taken, whatever its name",
}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
# Programs that run the argument after -c, and those of their options that take an argument.
_INTERPRETER = re.compile(r"(ba|da|z|k|fi)?sh|python[\d.]*|\{python\}")
_RUNS_CODE = re.compile(r"-[^-mWX]*?c")
_WITH_ARGUMENT = ("-o", "+o", "-O", "+O", "-W", "-X", "--rcfile", "--init-file")


@dataclass(frozen=True)
class CommandTemplate:
    """A command line with placeholders in braces.

    Attributes:
        arguments: the program and its arguments.
    """

    arguments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> CommandTemplate:
        """Split a command line at spaces, as a shell does, quotes included.

        Raises:
            ConfigError: quotes that don't close, placeholders that don't exist or are lacking, or
                a prompt that would become code.
        """
        try:
            arguments = tuple(shlex.split(text))
        except ValueError as error:
            raise ConfigError(f"backbone.command: {error} in {text!r}.") from error
        if not arguments:
            raise ConfigError(
                "backbone=external needs the command that makes a video: "
                "backbone.command='python make.py --prompt {prompt} --out {out}'."
            )
        found = [name for part in arguments for name in _PLACEHOLDER.findall(part)]
        for name in found:
            if name not in PLACEHOLDERS:
                raise unknown_name("placeholder of backbone.command", name, PLACEHOLDERS)
        for needed in (("prompt", "prompt_file", "script"), ("out", "out_folder")):
            if not set(found) & set(needed):
                names = " or ".join(f"{{{name}}}" for name in needed)
                raise ConfigError(f"backbone.command needs {names}: {text!r}.")
        if code := next((code for code in _code_of(arguments) if "{prompt}" in code), None):
            raise ConfigError(
                f"backbone.command: the prompt would be run as code in {code!r}. Pass it behind "
                "the code, bash -c 'python make.py \"$1\"' _ {prompt}, or use {prompt_file}."
            )
        return cls(arguments)

    def fill(self, values: Mapping[str, str]) -> list[str]:
        """Return the arguments with all placeholders replaced, each once.

        A value is never read again: braces, quotes and line breaks in a prompt stay what they are.
        """
        return [
            _PLACEHOLDER.sub(lambda match: values[match[1]], argument)
            for argument in self.arguments
        ]


def _code_of(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the arguments that a shell or Python runs as code: those of -c."""
    for start, program in enumerate(arguments, start=1):
        if not _INTERPRETER.fullmatch(PurePath(program).name):
            continue
        rest, runs_code = iter(arguments[start:]), False
        for argument in rest:
            if not argument.startswith(("-", "+")):
                if runs_code:
                    yield argument
                break
            if argument in _WITH_ARGUMENT:
                next(rest, None)
            # Options may be written together, -lc, and for Python with the code.
            elif _RUNS_CODE.match(argument):
                runs_code = True
                yield argument

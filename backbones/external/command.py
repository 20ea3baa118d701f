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
# Programs that run an argument as code, and the options that say so.
_INTERPRETERS = (
    (re.compile(r"(ba|da|z|k|fi)?sh|python[\d.]*|\{python\}"), re.compile(r"-[^-mWX]*?c")),
    (
        re.compile(r"perl|ruby|node|deno|php|lua[\d.]*|R|Rscript|julia|osascript"),
        re.compile(r"-[^-]*?[eEpr]|--(eval|print|run)\b|eval$"),
    ),
)
# Those of their options that take an argument.
_WITH_ARGUMENT = ("-o", "+o", "-O", "+O", "-W", "-X", "--rcfile", "--init-file")
# Programs that hand their arguments to a shell, on this machine or another. Words that are also
# names of modes count only as the program itself, behind what runs another program.
_HANDS_TO_SHELL = re.compile(
    r"ssh|rsh|mosh|pdsh|clush|p(arallel-)?ssh|dsh|su|runuser|tmux|bsub|qsub|adb|vagrant|powershell|"
    r"pwsh"
)
_ALSO_A_MODE = re.compile(r"parallel|eval|make|watch|screen")
_RUNNER = re.compile(
    r"env|nice|ionice|nohup|time|timeout|sudo|srun|stdbuf|setsid|taskset|numactl|-.*|[\d.]+\w?|\w+=.*"
)
# Text that may stand around a prompt in one argument. Code around data has quotes or brackets.
_PLAIN = re.compile(r"[\w\s.,:!?=+@%#-]*")
_COMMAND_OPTION = re.compile(r"-\w*c|--(command|wrap|exec|eval)(=.*)?", re.DOTALL)


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
        if code := next(_code_with_prompt(arguments), None):
            raise ConfigError(
                f"backbone.command: the prompt might be run as code in {code!r}. Pass it as an "
                "argument of its own, --prompt={prompt}, behind the code of a shell, "
                "bash -c 'python make.py \"$1\"' _ {prompt}, or use {prompt_file}."
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


def _code_with_prompt(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the arguments with a prompt that something may read as code instead of data."""
    shell, runs = False, True
    for before, argument in zip(("", *arguments), arguments, strict=False):
        if "{prompt}" in argument:
            around = _PLACEHOLDER.sub("", argument)
            words = _COMMAND_OPTION.fullmatch(before) or _COMMAND_OPTION.fullmatch(argument)
            if shell or not _PLAIN.fullmatch(around) or (words and " " in around):
                yield argument
        name = PurePath(argument).name
        shell |= bool(_HANDS_TO_SHELL.fullmatch(name) or (runs and _ALSO_A_MODE.fullmatch(name)))
        runs = runs and _RUNNER.fullmatch(name) is not None
    yield from (code for code in _code_of(arguments) if "{prompt}" in code)


def _code_of(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the arguments that interpreters run as code: those of -c and -e."""
    for start, program in enumerate(arguments, start=1):
        name = PurePath(program).name
        runs = next((option for names, option in _INTERPRETERS if names.fullmatch(name)), None)
        if runs is None:
            continue
        rest, runs_code = iter(arguments[start:]), False
        for argument in rest:
            if runs.match(argument):
                # Options may be written together, -lc, and for Python with the code.
                runs_code = True
                yield argument
            elif not argument.startswith(("-", "+")):
                if runs_code:
                    yield argument
                break
            elif argument in _WITH_ARGUMENT:
                next(rest, None)

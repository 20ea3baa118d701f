"""Command lines to mistype, and how."""

from __future__ import annotations

from random import Random

from tests.faults import workspace

# What the first words say is kept: that nothing is trained, generated, served or fetched for long.
COMMAND_LINES: tuple[tuple[int, tuple[str, ...]], ...] = (
    (
        4,
        (
            *("sweep", "--dry-run", "name=x", "prompts=prompts.txt"),
            *("method=rag,sliding_window", "method.memory_latents=2,4", "duration=3,6"),
            *(
                "seed=range(0,3)",
                "suite=[offline]",
                "workers=2",
                "runtime.precision=float32",
            ),
        ),
    ),
    (2, ("sweep", "--dry-run", "experiment=delta_loss", "prompts.num=1", "--json")),
    (3, ("sweep", "--dry-run", "executor=slurm", "executor.slurm.partition=gpu", "name=y")),
    (2, ("eval", "sweep=main", "suite=flicker_stability", "duration=2.25", "executor=inline")),
    (1, ("eval", "videos=videos", "manifest=none.jsonl", "name=z", "backbone=b", "method=m")),
    (2, ("report", "sweep=main", "sweep=none", "assets=link", "baseline=rag")),
    (2, ("verify", "sweep=main", "threads=1", "--json")),
    (2, ("list", "methods", "--json")),
    (2, ("status", "sweep=main", "--json")),
    (2, ("logs", "sweep=main", "task=1")),
    (2, ("resume", "sweep=main", "--dry-run", "executor.slurm.time_min=5")),
    (2, ("cancel", "sweep=main")),
    (3, ("retrieval", "corpus=none", "encoder=avg_pool,flat", "k=4", "guard=2", "threads=1")),
    (2, ("latents", "backbone=none", "num=2", "duration=3", "shard_videos=2")),
    (
        2,
        ("train-encoder", "corpus=none", "loss=full", "loss.margin=0.7", "steps=2", "network=tiny"),
    ),
    (3, (*workspace.WORLD[:2], "seed=7", *workspace.WORLD[2:])),
    (2, ("dev", "replay", "none.safetensors", "--rtol", "1e-3")),
    (2, ("generate", "backbone=none", "prompt=x", "duration=3")),
)
_TOKENS = (
    *("", " ", "=", "==", "a=", "=a", "--", "-", "-x", "--none", "---", "{", "[", "]", "'", '"'),
    *(
        "${x}",
        "${oc.env:HOME}",
        "???",
        "../..",
        "/",
        "~",
        "\udcff",
        "é=ü",
        "\u2028",
        "name=" + "x" * 300,
    ),
    *(
        "x" * 20_000,
        "+a=1",
        "~a",
        "a@b=c",
        "a.b.c=1",
        "a=[1,",
        "a={b:",
        "%s",
        "\\",
        "\n",
        "*",
        "@file",
    ),
    *("seed=range(10**9)", "method=[[a]]", "--help=1", "sweep=", "sweep=/", "sweep=.", "null"),
)
_VALUES = (
    *(
        "",
        "0",
        "-1",
        "1e999",
        "nan",
        "inf",
        "9" * 5000,
        "2147483648",
        "9223372036854775808",
        "1e-320",
    ),
    *("null", "true", "[]", "{}", "[[[[]]]]", "[" * 3000, "a,b", ",", "a,,b", "x" * 300, "../../x"),
    *("/", ".", "\udcff", "é", "'", '"', "'a", "${name}", "???", "0x10", "1_000", "range(3)", "on"),
    *("sort(3,1)", "choice(a)", "a b", "a=b", "[1,a]", "{a:1}", "-0.0", "1:30", "[red]", "\n"),
)


def mutate_arguments(draw: Random, line: tuple[int, tuple[str, ...]]) -> tuple[str, ...]:
    """Mistype one to three words of a command line, the first ones aside."""
    kept, words = line[0], list(line[1])
    for _ in range(draw.choice((1, 1, 2, 3))):
        place = draw.randrange(kept, len(words) + 1) if len(words) >= kept else len(words)
        operation = draw.randrange(6)
        if operation == 0 or place == len(words):
            words.insert(place, draw.choice(_TOKENS))
        elif operation == 1:
            del words[place]
        elif operation == 2:
            words.insert(place, words[place])
        elif operation == 3:
            words[place] = _misspelt(draw, words[place])
        else:
            key, equals, _ = words[place].partition("=")
            words[place] = f"{key}{equals or '='}{draw.choice(_VALUES)}"
    if draw.random() < 0.05:
        words[0] = draw.choice(("swep", "", "dev", "--", "Sweep", "\udcff", "x" * 5000))
    return tuple(words)


def _misspelt(draw: Random, word: str) -> str:
    place = draw.randrange(len(word) + 1)
    return word[:place] + draw.choice(("", "x", "-", ".", "é", "=", ",")) + word[place + 1 :]

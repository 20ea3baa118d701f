"""Files of votes: read, checked against the page they were cast on, and turned into comparisons."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from eval.statistics.davidson import Comparison, Outcome, davidson
from harness.core.errors import ConfigError, StoreError
from harness.core.typed_files import read_typed

KEY_FILE = "vote_key.json"
"""The key of the page, in the folder of the first sweep."""
_WRONG_CHECKS = 0.5
"""Share of wrong checks from which the votes of a person do not count."""


@dataclass(frozen=True)
class Pair:
    """The content of a pair of the page; a check shows one video twice.

    Attributes:
        group: backbone of both videos.
        left, right: methods.
    """

    group: str
    prompt: str
    left: str
    right: str

    @property
    def is_check(self) -> bool:
        """Return whether both sides are one video, so that only a tie is right."""
        return self.left == self.right


@dataclass(frozen=True)
class Key:
    """The key of a page, kept apart from it: which pair shows which methods."""

    SCHEMA: ClassVar[int] = 1

    page: str
    pairs: Mapping[str, Pair] = field(default_factory=dict)


@dataclass(frozen=True)
class Ballot:
    """The votes of one person; `voter` is a random number, nothing personal."""

    page: str
    voter: str
    votes: Mapping[str, Outcome]


@dataclass(frozen=True)
class Counted:
    """The votes that count.

    Attributes:
        votes: comparisons by backbone.
        num_voters: people whose votes count.
        left_out: why files do not count, by name.
    """

    votes: Mapping[str, tuple[Comparison, ...]]
    num_voters: int
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class VoteScore:
    """The votes on a method, by Davidson's model.

    Attributes:
        strength: natural logarithm; the methods of a backbone have mean 0.
        low: lower end of the 95 % interval; None where there are too few prompts.
        high: upper end of it.
        num_votes: votes in which the method took part.
    """

    backbone: str
    method: str
    strength: float
    low: float | None
    high: float | None
    num_wins: int
    num_ties: int
    num_votes: int


def read_key(folder: Path) -> Key:
    """Read the key of the page that was made for a sweep.

    Raises:
        ConfigError: no page was made.
        StoreError: the key is damaged.
    """
    try:
        return read_typed(folder / KEY_FILE, Key)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{folder / KEY_FILE}: no such file; make the page first: vote {folder}"
        ) from error


def ballot_files(paths: Iterable[Path]) -> list[Path]:
    """Return files of votes as they are, and in place of a folder those in it, by name."""
    return [
        file
        for path in paths
        for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])
    ]


def vote_scores(counted: Counted) -> list[VoteScore]:
    """Return the scores of all methods, backbone by backbone."""
    return [
        VoteScore(
            backbone,
            method,
            found.value,
            found.interval.low if found.interval else None,
            found.interval.high if found.interval else None,
            found.num_wins,
            found.num_ties,
            found.num_votes,
        )
        for backbone, votes in counted.votes.items()
        for method, found in davidson(votes).items()
    ]


def count_votes(files: Sequence[Path], key: Key) -> Counted:
    """Read files of votes.

    A file does not count if it can't be read, was cast on another build of the page, names pairs
    that the page doesn't have, comes from a voter who was counted before, or calls the two sides
    different in at least half of the checks.
    """
    votes: dict[str, list[Comparison]] = {}
    voters: set[str] = set()
    left_out: dict[str, str] = {}
    for file in files:
        try:
            ballot = read_typed(file, Ballot)
        except FileNotFoundError:
            left_out[file.name] = "no such file"
            continue
        except StoreError as error:
            left_out[file.name] = str(error)
            continue
        reason = refusal(ballot, key, voters)
        if reason is not None:
            left_out[file.name] = reason
            continue
        voters.add(ballot.voter)
        for name, outcome in ballot.votes.items():
            pair = key.pairs[name]
            if not pair.is_check:
                one = Comparison(pair.left, pair.right, outcome, pair.prompt, ballot.voter)
                votes.setdefault(pair.group, []).append(one)
    return Counted({group: tuple(of) for group, of in votes.items()}, len(voters), left_out)


def refusal(ballot: Ballot, key: Key, voters: Collection[str]) -> str | None:
    """Return why a ballot does not count; None if it does.

    Args:
        ballot: the ballot.
        key: of the page.
        voters: those who were counted before.
    """
    if ballot.page != key.page:
        return f"cast on build {ballot.page!r} of the page, not on {key.page!r}"
    if ballot.voter in voters:
        return "its voter was counted before"
    unknown = [name for name in ballot.votes if name not in key.pairs]
    if unknown:
        return f"the page has no pair {unknown[0]!r}"
    checks = [outcome for name, outcome in ballot.votes.items() if key.pairs[name].is_check]
    wrong = sum(outcome != "tie" for outcome in checks)
    if wrong and wrong >= _WRONG_CHECKS * len(checks):
        return f"called a video different from itself in {wrong} of {len(checks)} checks"
    return None

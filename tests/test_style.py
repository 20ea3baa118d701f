"""The English of the repository: how docstrings begin, and words that a reader stumbles over."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.test_rooms import ROOT, TOP, sources

QUESTIONS = {"What", "How", "Whether", "Where", "Which", "Why", "When", "Who", "Whose"}
ARCHAISMS = re.compile(
    r"\b(anew|lest|in vain|dear|nobody|somebody|mend(s|ed|ing)?|told|upon|whence|hence|thus|shall"
    r"|there(of|in|by)|where(of|in|by|upon)|is no more|asks? nicely"
    # Before a noun: "is not a number" instead of "is no number".
    r"|(?<!there )(is|are|was|were|be) no(?! (longer|more|less|matter|difference)\b))\b",
    re.IGNORECASE,
)
# A quotation or a piece of code; in pages also a block of code.
QUOTED = re.compile(r"```.*?```|`[^`\n]+`|\"[^\"\n]+\"", re.DOTALL)
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md")
SCRIPTS = ("reports/**/*.js", "reports/**/*.j2", "harness/config/conf/**/*.yaml")


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def words_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of what a person reads: comments and strings of a module, lines of others."""
    if path.suffix != ".py":
        text = path.read_text()
        if path.suffix == ".md":
            text = QUOTED.sub(lambda quoted: "\n" * quoted[0].count("\n"), text)
        yield from enumerate(text.splitlines(), start=1)
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, QUOTED.sub("", node.value)
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], QUOTED.sub("", token.string)


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    """A question tells the reader what could be said instead of saying it."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for folder in (*TOP, "tests")
        for path in sources(folder)
        for line, text in docstrings(path)
        if re.split(r"\W", text, maxsplit=1)[0] in QUESTIONS
    ]
    assert not wrong, "\n".join(wrong)


def test_no_archaisms() -> None:
    files = [path for folder in TOP for path in sources(folder)]
    files += [path for pattern in (*PAGES, *SCRIPTS) for path in sorted(ROOT.glob(pattern))]
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {found[0]!r} in: {text.strip()[:100]}"
        for path in files
        for line, text in words_of(path)
        if (found := ARCHAISMS.search(text))
    ]
    assert not wrong, "\n".join(wrong)

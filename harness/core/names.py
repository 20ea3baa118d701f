"""Names of files from labels, which may hold any character and be of any length."""

from __future__ import annotations

import hashlib
import re

_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_WORD = re.compile(r"\w[\w-]{0,99}", re.ASCII)
_SHOWN_CHARS = 60
_DIGEST_CHARS = 8


def file_stem(*labels: str) -> str:
    """Return the stem of a file for labels, which differs from that of others on any file system.

    Labels in small letters, digits, `.`, `_` and `-` are joined by `_` as they are; only among
    these can two meet: ("a_b", "c") and ("a", "b_c"). For all others a digest follows what is
    readable of them: some file systems don't tell `A` from `a`.
    """
    joined = "_".join(filter(None, labels))
    if _PLAIN.fullmatch(joined):
        return joined
    readable = re.sub(r"[^a-z0-9.]+", "-", joined.lower()).strip("-.")[:_SHOWN_CHARS]
    digest = hashlib.sha256("\0".join(labels).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{readable}-{digest[:_DIGEST_CHARS]}".lstrip("-")


def not_utf8(text: str) -> bool:
    """Return whether a text holds half of a surrogate pair, which no file and no terminal takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def suite_stem(name: str) -> str:
    """Return the name of the files of a suite: a registered name, or the class of "module:Class".

    Words stay as they are, capitals included; a plug-in that is called anything else gets a digest.
    """
    called = name.rpartition(":")[2]
    return called if _WORD.fullmatch(called) else file_stem(called)

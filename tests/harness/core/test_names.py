from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from harness.core.names import file_stem

LABELS = st.text(max_size=300)


def test_plain_labels_stay_as_they_are() -> None:
    assert file_stem("tiny_long", "random", "") == "tiny_long_random"
    assert file_stem("v1.2-b") == "v1.2-b"


def test_other_labels_keep_what_is_readable_of_them() -> None:
    assert re.fullmatch(r"a-b-c-[0-9a-f]{8}", file_stem('a/b"<c=\n'))
    assert re.fullmatch(r"[0-9a-f]{8}", file_stem("\N{GRINNING FACE}"))
    assert re.fullmatch(r"x{60}-[0-9a-f]{8}", file_stem("x" * 300))


def test_labels_that_differ_only_there_get_other_names() -> None:
    for one, other in (("Wan", "wan"), ("a/b", "a-b"), ("x" * 300, "x" * 301), ("a ", "a")):
        assert file_stem(one).lower() != file_stem(other).lower()
    assert file_stem("A", "b_c") != file_stem("A_b", "c")


@given(LABELS, LABELS)
def test_every_stem_is_a_file_name_everywhere(one: str, other: str) -> None:
    stem = file_stem(one, other)
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", stem)
    if file_stem(other, one) == stem:
        assert one == other or not one or not other

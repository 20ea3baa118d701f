from __future__ import annotations

from pathlib import Path

from reports.site.unit_digests import DIGEST_BYTES, UnitDigests, outdated_stems, sorted_names


def test_digests_are_found_by_unit_and_several_of_one_are_combined() -> None:
    one, two = b"\1" * DIGEST_BYTES, b"\6" * DIGEST_BYTES
    found = UnitDigests.of([("unit_b", one), ("ä", one), ("unit_b", two)])
    assert found.hexes(["unit_b", "unit_c", "ä"]) == ["07" * DIGEST_BYTES, "", one.hex()]
    assert found == UnitDigests.of([("unit_b", two), ("unit_b", one), ("ä", one)])
    assert UnitDigests.of([]).hexes(["unit_b"]) == [""]


def test_outdated_files_are_those_with_the_suffix_that_are_not_kept(tmp_path: Path) -> None:
    for name in ("a.js", "b.js", "ba.js", "c.css"):
        (tmp_path / name).touch()
    assert sorted(outdated_stems(tmp_path, ".js", sorted_names(["b", "d"]))) == ["a", "ba"]
    assert outdated_stems(tmp_path / "none", ".js", sorted_names([])) == []

"""Checks of the pages of studies, which have no script."""

from __future__ import annotations

import re
from pathlib import Path


def linked_beside_tables(page: Path) -> None:
    """Check that each table of a page is followed by links to its files, which exist."""
    text = page.read_text()
    after = text.split("</table>")[1:]
    assert after
    for part in after:
        names = re.findall(r'<a href="([^"]+)" download>', part.partition("<table>")[0])
        assert names and all((page.parent / name).is_file() for name in names)
        assert {"csv", "md"} <= {name.rpartition(".")[2] for name in names}

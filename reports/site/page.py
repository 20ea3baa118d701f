"""Writes the page itself: one index.html, its style, its script, and the data of the front page.

Prompts, labels and error texts are data of strangers. They reach the page as JSON in script files
and are set as text by the script; the policy of the page forbids inline scripts and styles, and
every address but the page's own folder.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.site.site_files import compact, update_text, write_data

SCRIPTS = (
    "core",
    "tips",
    "format",
    "datatable",
    "chart",
    "retrieval",
    "player",
    "strip",
    "trace",
    "board",
    "front",
    "compare",
    "video",
    "videos",
    "methods",
    "sources",
    "differences",
    "live",
    "main",
)


def write_page(out: Path, front: dict[str, Any]) -> Path:
    """Write index.html, assets/ and the data of the front page into `out`; returns the index.

    Args:
        out: the folder of the page.
        front: of `reports.site.front.front_data`.
    """
    environment = Environment(
        loader=PackageLoader("reports.site"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    sources = [_source(environment, f"js/{name}.js") for name in SCRIPTS]
    # One scope for all parts, strict, and nothing of it outside.
    script = '"use strict";\n(() => {\n' + "\n".join(sources) + "\n})();\n"
    style = _source(environment, "style.css")
    update_text(out / "assets" / "app.js", script)
    update_text(out / "assets" / "style.css", style)
    # Tells one build from the next; only what is shown counts.
    build = hashlib.sha256((compact(front) + script + style).encode()).hexdigest()[:16]
    write_data(out / "data" / "site.js", "site", front | {"build": build})
    index = environment.get_template("index.html.j2").render(name=front["name"])
    update_text(out / "index.html", index)
    # Last: a page that sees the new build finds all of it.
    write_data(out / "data" / "live.js", "live", {"build": build, "counts": front["counts"]})
    return out / "index.html"


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]

"""The page itself: one index.html, its style, its script, and the data of the front page.

Prompts, labels and error texts may come from anyone. They reach the page as JSON in script files
and are set as text by the script; the policy of the page forbids inline scripts and styles, and
every address but the page's own folder.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.site.data_files import to_json, update_text, write_data
from reports.site.schema import Live, Site

SCRIPTS = (
    "core",
    "tips",
    "format",
    "copying",
    "datatable",
    "chart",
    "retrieval",
    "player",
    "strip",
    "trace",
    "board",
    "recall",
    "findings",
    "published",
    "ends",
    "orders",
    "segments",
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


def write_page(out: Path, site: Site) -> Path:
    """Write index.html, assets/ and the data of the front page; return the index.

    Args:
        out: the folder of the page.
        site: of `reports.site.site_data.site_data`; its build is filled in.
    """
    environment = Environment(
        loader=PackageLoader("reports.site"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    sources = [_source(environment, f"js/{name}.js") for name in SCRIPTS]
    # One strict scope for all parts keeps their names out of the global scope.
    script = '"use strict";\n(() => {\n' + "\n".join(sources) + "\n})();\n"
    style = _source(environment, "style.css")
    update_text(out / "assets" / "app.js", script)
    update_text(out / "assets" / "style.css", style)
    # A hash of the content, so that an unchanged page keeps the same bytes.
    build = hashlib.sha256((to_json(site) + script + style).encode()).hexdigest()[:16]
    write_data(out / "data" / "site.js", "site", replace(site, build=build))
    index = environment.get_template("index.html.j2").render(name=site.name)
    update_text(out / "index.html", index)
    # Written last, so that a page that sees the new build finds all its files.
    write_data(out / "data" / "live.js", "live", Live(build, site.counts))
    return out / "index.html"


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]

"""What the site makes of the pages: the navigation is docs/README.md, and a block that is a file shows its name."""

from __future__ import annotations

__all__ = ["navigation", "on_config", "on_page_markdown", "on_post_page"]

import re
from html import escape
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
INDEX = "README.md"

_BARS = re.compile(r"`([^`]*\\\|[^`]*)`")
"""Code in a table with an escaped bar in it."""

_LOADED = re.compile(r'<(?:(?:script|img|iframe|source)\b[^>]*\bsrc|link\b[^>]*\bhref)="(?:https?:)?//[^"]*')
"""What a browser would fetch from another place."""


def navigation() -> list[dict[str, Any]]:
    """Return the sections of docs/README.md with the pages that they list; models are below their index."""
    text = (DOCS / INDEX).read_text()
    listed = set(re.findall(r"^- \[[^]]+\]\(([^)#]+\.md)\)", text, re.MULTILINE))
    sections: list[dict[str, Any]] = [{"Home": INDEX}]
    for heading, body in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
        pages = re.findall(r"^- \[([^]]+)\]\(([^)#]+\.md)\)", body, re.MULTILINE)
        sections.append({heading: [{title: _below(page, listed)} for title, page in pages]})
    return sections


def _below(page: str, listed: set[str]) -> str | list[Any]:
    """A page, or a page with those of the folder of its name below it that have no place of their own."""
    folder = DOCS / Path(page).stem
    below = [f"{folder.name}/{path.name}" for path in sorted(folder.glob("*.md"))]
    own = [one for one in below if one not in listed]
    return [page, *own] if own else page


def on_config(config: Any) -> Any:
    """Called by mkdocs when it has read its settings."""
    config.nav = navigation()
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs for each page before it is rendered."""
    # What lies outside docs/ is no page of the site.
    markdown = re.sub(r"\[([^]]+)\]\(\.\./(?:README|CONTRIBUTING)\.md(?:#[^)]*)?\)", r"\1", markdown)
    markdown = re.sub(r"^```(\w+) file=(\S+)$", r'```\1 title="\2"', markdown, flags=re.MULTILINE)
    return re.sub(r"^\|.*\|$", lambda row: _BARS.sub(_code, row[0]), markdown, flags=re.MULTILINE)


def _code(span: re.Match[str]) -> str:
    # Hosted repositories take the backslash away, the site's Markdown does not.
    code = escape(span[1].replace("\\|", "|")).replace("|", "&#124;")
    return f"<code>{code}</code>"


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Called by mkdocs with each page that it is about to write.

    Raises:
        ValueError: If the page would load something from elsewhere.
    """
    loaded = _LOADED.findall(output)
    if loaded:
        raise ValueError(f"{page.file.src_path} loads from elsewhere: {loaded}")
    return output

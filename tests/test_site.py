"""The site: what docs/navigation.py makes of the pages, without the generator that calls it."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

import zoo

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.fixture(scope="module")
def navigation() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        yield importlib.import_module("navigation")


def pages_of(entry: object) -> Iterator[str]:
    """The pages of a part of the navigation."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict | list):
        for inner in entry.values() if isinstance(entry, dict) else entry:
            yield from pages_of(inner)


def test_every_page_is_in_the_navigation_once(navigation: ModuleType) -> None:
    listed = list(pages_of(navigation.navigation()))
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_the_models_are_below_their_index(navigation: ModuleType) -> None:
    sections = {heading: pages for section in navigation.navigation() for heading, pages in section.items()}
    (models,) = [page["Models"] for page in sections["Understand"] if "Models" in page]
    assert models[0] == "models.md"
    assert "models/conv-vae.md" in models


def test_a_block_that_is_a_file_shows_its_name(navigation: ModuleType) -> None:
    assert navigation.on_page_markdown("```python file=a/b.py\nx\n```") == '```python title="a/b.py"\nx\n```'


def test_what_is_no_page_is_no_link(navigation: ModuleType) -> None:
    assert navigation.on_page_markdown("[here](../README.md#models) [there](runs.md)") == "here [there](runs.md)"


def test_a_bar_in_the_code_of_a_table_is_shown_without_its_backslash(navigation: ModuleType) -> None:
    shown = navigation.on_page_markdown("| `q(z\\|x) < 1` | `a` |\n`left \\| alone`")
    assert shown == "| <code>q(z&#124;x) &lt; 1</code> | `a` |\n`left \\| alone`"


@pytest.mark.parametrize(
    "loading",
    [
        '<script src="https://elsewhere.org/a.js"></script>',
        '<img alt="x" src="//elsewhere.org/a.png">',
        '<link rel="stylesheet" href="http://elsewhere.org/a.css">',
    ],
)
def test_a_page_that_loads_from_elsewhere_is_refused(navigation: ModuleType, loading: str) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_path="runs.md"))
    with pytest.raises(ValueError, match=r"runs.md loads from elsewhere"):
        navigation.on_post_page(f"<p>{loading}</p>", page)


def test_a_link_to_elsewhere_is_none_of_that(navigation: ModuleType) -> None:
    html = '<a href="https://arxiv.org/abs/1312.6114">paper</a> <img src="images/a.png"> <link href="site.css">'
    assert navigation.on_post_page(html, None) == html


@pytest.mark.parametrize(("model", "shows"), [("vae.tiny", "Test images"), ("realnvp.tiny", "Samples")])
def test_a_picture_is_four_rows_whatever_the_model_can(navigation: ModuleType, model: str, shows: str) -> None:
    pictures = importlib.import_module("pictures")
    x = torch.rand(pictures.COLUMNS, 1, 12, 12)
    image, text = pictures.draw(zoo.build(model, (1, 12, 12)).eval(), x, {})
    assert image.shape == (4 * 12, pictures.COLUMNS * 12)
    assert 0 <= image.min() <= image.max() <= 1
    assert text.startswith(shows)


def test_every_picture_is_told_of_and_small() -> None:
    folder = DOCS / "images" / "models"
    told = tomllib.loads((folder / "pictures.toml").read_text())
    assert {path.stem for path in folder.glob("*.png")} == set(told)
    assert all(path.stat().st_size < 30_000 for path in folder.glob("*.png"))

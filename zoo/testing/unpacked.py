"""An unpacked plugin: a folder with a pyproject.toml, found as if it were installed."""

from __future__ import annotations

__all__ = ["put_on_path"]

import atexit
import importlib
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ZooError, one_line
from zoo.plugins.discovery import GROUP


def put_on_path(folder: Path) -> str:
    """Put a folder's code, and what an installer would write of it, on this process's import path; return its name.

    Raises:
        ZooError: If it declares no plugin.
    """
    project = _project(folder)
    points = project.get("entry-points", {}).get(GROUP, {})
    if not points:
        table = f'[project.entry-points."{GROUP}"]'
        raise ZooError(f"{folder} declares no plugin; add {table} with 'name = \"module\"' to its pyproject.toml")
    name, version = str(project.get("name", folder.resolve().name)), str(project.get("version", "0"))
    places = [place.resolve() for place in (folder / "src", folder) if place.is_dir()]
    facts = _write_facts(name, version, points)
    sys.path[:0] = [str(place) for place in (facts, *places)]
    importlib.invalidate_caches()
    return name


def _project(folder: Path) -> Mapping[str, Any]:
    path = folder / "pyproject.toml"
    if not path.is_file():
        raise ZooError(f"{folder} is no unpacked plugin: it has no pyproject.toml; 'zoo new NAME' writes one")
    try:
        with path.open("rb") as file:
            project: Mapping[str, Any] = tomllib.load(file).get("project", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ZooError(f"{path} is no TOML: {one_line(error)}") from None
    return project


def _write_facts(name: str, version: str, points: Mapping[str, str]) -> Path:
    """Write what discovery reads of an installed distribution, into a folder that goes with the process."""
    place = Path(tempfile.mkdtemp(prefix="zoo-check-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    info = place / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n")
    lines = [f"{point} = {value}" for point, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
    return place

"""The page of a comparison: one file that holds all it shows, and opens from disk."""

from __future__ import annotations

__all__ = ["write_report"]

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from zoo.comparison.page_bars import units_of
from zoo.comparison.page_pictures import KINDS, Kind, Picture, Sampled, picture_of, sampled
from zoo.comparison.page_tables import details_of, intervals, notes_of, tables_of
from zoo.comparison.wording import DASH, enumerated, plain
from zoo.figures.panels import HEIGHT, WIDTH, Curve, Panel, panels
from zoo.registry import Registry
from zoo.runs.files import write_text
from zoo.runs.folder import Run

NAME = "report.html"
TOLD_TERMS = ("loss", "objective", "distortion", "rate", "elbo")
"""Terms whose curves are shown at once; those of others are folded away."""

MOST_NAMED = 4
COLOURS = 8


class Shown(NamedTuple):
    """A picture of one model, or nothing."""

    model: str
    place: int
    seed: int
    picture: Picture | None


@dataclass(frozen=True)
class _Runs:
    """The runs of one model that are on disk, with their seeds, which of them is pictured, and the model's place."""

    model: str
    place: int
    failed: bool
    pictured: int
    runs: tuple[tuple[int, Run], ...]

    @property
    def shown(self) -> tuple[int, Run]:
        """The run that pictures are of, after its seed."""
        return self.runs[self.pictured]


def write_report(path: Path, document: dict[str, Any], registry: Registry) -> Path:
    """Write the page of a comparison, and return where it is; the same comparison gives the same bytes.

    Curves and bars are of all runs. Pictures are those that the runs drew of themselves, of the one run of each model
    that the document names; samples, and the training images nearest to them, are made here of the same run. What
    cannot be had is said in its place.

    Arguments:
        path: The folder of the comparison; the page is `report.html` in it.
        document: What `results.json` holds.
        registry: Where the models and data of runs are found.

    Raises:
        OSError: If the folder cannot be written.
    """
    found = [_runs_of(path, place, model) for place, model in enumerate(document["models"])]
    html = _environment().get_template("report.html").render(
        document=document,
        title=_title(document),
        tables=tables_of(document),
        notes=notes_of(document),
        details=details_of(document),
        intervals=intervals(document),
        curves=_curves(found),
        units=units_of(registry, [(each.model, each.place, each.runs) for each in found if not each.failed]),
        galleries=_galleries(found),
        neighbours=[_neighbours(registry, each) for each in found if each.runs and not each.failed],
        settings=[_flat(model.get("settings") or {}) for model in document["models"]],
        differences=_differences(document["models"]),
        width=WIDTH,
        height=HEIGHT,
        colours=COLOURS,
        **_sources(),
    )  # fmt: skip
    write_text(path / NAME, html)
    return path / NAME


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("zoo.comparison", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = plain
    environment.filters["enumerated"] = enumerated
    environment.filters["breakable"] = _breakable
    return environment


def _breakable(label: str) -> Markup:
    """Return a model's label, escaped, with the places where a line may end: between settings, before a recipe."""
    return Markup("<wbr>").join(re.split(r"(?<=[:,/=])|(?=\.[a-z])", label))


def _sources() -> dict[str, str]:
    """Return style and script, with the hashes by which the page allows these two and no other."""
    folder = Path(__file__).parent / "templates"
    style, script = ((folder / name).read_text("utf-8") for name in ("report.css", "report.js"))
    return {"style": style, "style_hash": _digest(style), "script": script, "script_hash": _digest(script)}


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _title(document: Mapping[str, Any]) -> str:
    names = [str(model["name"]) for model in document["models"]]
    who = enumerated(names) if len(names) <= MOST_NAMED else f"{len(names)} models"
    return f"{who} on {document['data']['name']}"


def _runs_of(path: Path, place: int, model: Mapping[str, Any]) -> _Runs:
    runs = [(run["seed"], Run(_folder(path, str(run["path"])))) for run in model.get("runs") or ()]
    seeds = [seed for seed, _ in runs]
    pictured = seeds.index(model["pictured"]) if model.get("pictured") in seeds else 0
    return _Runs(model["name"], place, bool(model.get("error")), pictured, tuple(runs))


def _folder(path: Path, name: str) -> Path:
    """Return the folder of a run: below the comparison's where it is there, else as it is named."""
    return path / name if (path / name).is_dir() else Path(name)


def _curves(found: Sequence[_Runs]) -> tuple[list[Panel], list[Panel]]:
    """Return the panels that are shown at once, and those that are folded away."""
    curves = [
        Curve(f"{each.model}, seed {seed}", each.place, run.records(), each.model)
        for each in found
        for seed, run in each.runs
    ]
    drawn = panels(curves)
    told = [panel for panel in drawn if panel.term in TOLD_TERMS] or drawn
    return told, [panel for panel in drawn if panel not in told]


def _galleries(found: Sequence[_Runs]) -> list[tuple[Kind, list[Shown]]]:
    """Return the pictures of each kind that at least one model has, of one run of each."""
    whole = [each for each in found if each.runs]
    galleries = [(kind, [_shown(each, kind) for each in whole]) for kind in KINDS]
    return [(kind, shown) for kind, shown in galleries if any(each.picture for each in shown)]


def _shown(each: _Runs, kind: Kind) -> Shown:
    seed, run = each.shown
    return Shown(each.model, each.place, seed, picture_of(run.figures / kind.file))


def _neighbours(registry: Registry, each: _Runs) -> tuple[str, int, int, Sampled]:
    seed, run = each.shown
    return each.model, each.place, seed, sampled(registry, run)


def _flat(settings: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    """Return settings by dotted name; options have dotted names already."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, "" if name == "options" else f"{head}{name}."))
        else:
            flat[f"{head}{name}"] = value
    return flat


def _differences(models: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[int, str]], dict[str, list[str]]]:
    """Return the models that have settings, and what each has of those in which they differ."""
    shown = [(place, model["name"]) for place, model in enumerate(models) if model.get("settings")]
    flat = [_flat(models[place]["settings"]) for place, _ in shown]
    names = dict.fromkeys(name for settings in flat for name in settings)
    found = {name: [plain(each[name]) if name in each else DASH for each in flat] for name in names}
    return shown, {name: values for name, values in found.items() if len(set(values)) > 1}

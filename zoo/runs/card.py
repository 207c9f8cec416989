"""The model card: what a run is, what it scored, how to use it again."""

from __future__ import annotations

__all__ = ["model_card", "write_card"]

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zoo.catalogue import Entry
from zoo.runs.files import write_text
from zoo.runs.folder import Run
from zoo.runs.scores import ScoreRow, score_rows
from zoo.specs import MetricSpec

CARD = "README.md"


def write_card(run: Run, scores: Mapping[str, Any], metrics: Iterable[Entry[MetricSpec]]) -> None:
    """Write the card of a run anew, with its present pictures and these scores.

    Raises:
        ZooError: If its settings are damaged.
    """
    pictures = sorted(path.name for path in run.figures.glob("*.png"))
    rows = score_rows(scores, metrics)
    told, command = scores.get("warnings", {}), str(run.settings.get("command", ""))
    write_text(
        run.path / CARD, model_card(run.name, run.metadata, rows, told, pictures, command, tuple(run.plugin_files))
    )


def model_card(
    name: str,
    facts: Mapping[str, Any],
    scores: Iterable[ScoreRow],
    warnings: Mapping[str, str],
    figures: Sequence[str],
    command: str,
    plugin_files: Sequence[str] = (),
) -> str:
    """Return the card of a run as Markdown.

    Arguments:
        name: The run's name.
        facts: The metadata of its weights.
        scores: What `evaluate` found.
        warnings: What to keep in mind when a score is read, by its name.
        figures: The file names of its pictures.
        command: The command that trains the same again.
        plugin_files: The names of the one-file plugins that it keeps.
    """
    data, outcome, versions = facts["data"], facts["outcome"], facts["versions"]
    parts = ", ".join(f"{role} `{part}`" for role, part in facts["parts"].items())
    lines = [
        f"# {name}",
        "",
        f"A `{facts['model']}` ({facts['family']}) trained on `{data['name']}` by the generative model zoo "
        f"{versions['zoo']} (torch {versions['torch']}).",
        "",
        f"- Parts: {parts}",
        f"- Data: {data['train_size']} training images of {'×'.join(map(str, data['shape']))}; the test images were "
        "never trained on",
        f"- Training: {outcome['epochs']:g} epochs, {outcome['steps']} steps, ended by: {outcome['reason']}",
        f"- Parameters: {outcome['parameters']:,}",
        "",
        "## Scores on the test images",
        "",
        "| score | value | unit | better | meaning |",
        "|---|---|---|---|---|",
        *map(_line, scores),
        "",
        *(line for name, warning in warnings.items() for line in (f"Note on {name}: {warning}", "")),
        "## Use",
        "",
        "```python",
        "import zoo",
        "",
        *_loaded(plugin_files),
        "images = model.sample(16)  # (16, C, H, W) in [0, 1]",
        "```",
        "",
        "## Made by",
        "",
        "```sh",
        command,
        "```",
        "",
        *(f"![{figure.removesuffix('.png')}](figures/{figure})" for figure in figures),
        "",
    ]
    return "\n".join(lines)


def _loaded(plugin_files: Sequence[str]) -> list[str]:
    if not plugin_files:
        return ['model = zoo.load("path/to/this/folder").model']
    # Code in the folder runs only where somebody asks for it.
    names = ", ".join(f"plugins/{name}" for name in plugin_files)
    return [f"# runs {names}", 'run = "path/to/this/folder"', "model = zoo.load(run, plugins=[run]).model"]


def _line(row: ScoreRow) -> str:
    cells = (row.name, _value(row.value), row.unit, row.better, row.meaning)
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return " ".join(map(_value, value))
    return f"{value:.5g}" if isinstance(value, float) else str(value)

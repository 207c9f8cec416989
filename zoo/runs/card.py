"""The model card: what a run is, what it scored, how to use it again."""

from __future__ import annotations

__all__ = ["LABELS", "model_card"]

from collections.abc import Mapping
from typing import Any

LABELS = {
    "mse": "squared error per pixel, at the posterior mean",
    "sse": "expected squared error per image",
    "distortion": "expected -log p(x given z), nats per image",
    "rate": "KL(q(z given x), p(z)), nats per image",
    "objective": "what was minimised, nats per image",
    "elbo": "-(distortion + rate) of the normalised model: a lower bound on log p(x), nats per image",
    "log_likelihood": "log p(x) itself, of dequantised images in grey levels, nats per image",
    "bits_per_dim": "minus the same, in bits per pixel value",
    "likelihood": "what is known of log p(x): its exact value, a bound or nothing, and of which pixels",
    "active_units": "latents in use",
}
"""What each score means, in a few words."""


def model_card(name: str, facts: Mapping[str, Any], scores: Mapping[str, Any], figures: list[str], command: str) -> str:
    """Return the card of a run as Markdown.

    Arguments:
        name: The run's name.
        facts: The metadata of its weights.
        scores: What `evaluate` found.
        figures: The file names of its pictures.
        command: The command that trains the same again.
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
        "| score | value | meaning |",
        "|---|---|---|",
        *(f"| {key} | {_cell(scores.get(key))} | {meaning} |" for key, meaning in LABELS.items()),
        "",
        "## Use",
        "",
        "```python",
        "import zoo",
        "",
        'model = zoo.load("path/to/this/folder").model',
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


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int | str) else f"{value:.5g}"

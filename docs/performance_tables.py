"""Tables of docs/performance.md, from the results that benchmarks wrote."""

from __future__ import annotations

__all__ = ["BENCHMARKS", "performance"]

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tables import table

RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"
DEVICES = {"cpu": "CPU", "cuda": "GPU"}

ON_GPU = {"train_step": " --images 60000"}
"""What a command takes on a GPU besides, which is done with a few images before it can be timed."""

NETS, BATCHES = ("conv-vae", "vae"), (64, 128, 512, 2048)
CONTESTANTS = (
    "zoo",
    "zoo --compile",
    "by hand, 0 workers",
    "by hand, 2 workers",
    "bare step",
    "products alone",
    "pythae",
    "lightning",
)


def performance(name: str) -> str:
    """Return what a benchmark found on each device, where it was run, and the command where it was not."""
    make, devices = BENCHMARKS[name]
    return "\n\n".join(_on_device(name, device, make) for device in devices)


def _on_device(name: str, device: str, make: Callable[[Mapping[str, Any]], str]) -> str:
    path = RESULTS / f"{name}-{device}.json"
    command = f"python benchmarks/{name}.py" + ("" if device == "cpu" else f" --device {device}{ON_GPU.get(name, '')}")
    document = json.loads(path.read_text()) if path.exists() else {}
    told = _facts(document) if document else f"Not measured yet; `{command}` does it."
    return f"**{DEVICES[device]}.** {told}\n\n{make(document)}"


def _facts(document: Mapping[str, Any]) -> str:
    """The machine and the versions in a sentence."""
    if "versions" not in document:
        return ", ".join(f"{name} {value}" for name, value in document["machine"].items()) + "."
    machine, versions = document["machine"], document["versions"]
    gpu = f"{machine['gpu']}; " if machine["gpu"] else ""
    cores = f"{machine['cores']} cores, {machine['threads']} threads"
    peers = {name: version for case in document.get("cases", ()) for name, version in case.get("peers", {}).items()}
    named = {"torch": versions["torch"], "Python": versions["python"], **peers}
    zoo = f"zoo {versions['zoo']}" + (f" at {versions['commit']}" if "commit" in versions else "")
    libraries = ", ".join(f"{name} {version}" for name, version in named.items())
    rounds = document["settings"]["rounds"]
    return (
        f"{gpu}{machine['processor']}, {cores}, {machine['architecture']}, {machine['system']}; {libraries}, {zoo}. "
        f"Medians of {rounds} rounds in turn, with the least and the greatest."
    )


def _cell(found: Mapping[str, float] | None, number: Callable[[float], str]) -> str:
    """A median with its range, or nothing where nothing was measured."""
    if found is None:
        return ""
    median, least, greatest = (number(found[key]) for key in ("median", "least", "greatest"))
    return median if least == greatest else f"{median} ({least}–{greatest})"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _times(value: float) -> str:
    return f"{value:.2f} ×"


def _share(value: float) -> str:
    return f"{value:.0%}"


def _time(seconds: float) -> str:
    if seconds >= 100:
        return f"{seconds:,.0f} s"
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{1e3 * seconds:.3g} ms"


def _train_step(document: Mapping[str, Any]) -> str:
    """Speeds; how many times as fast the zoo is; shares of the peak of matrix products."""
    cases = {(case["model"], case["batch_size"]): case for case in document.get("cases", ())}
    order = list(dict.fromkeys([*((net, size) for net in NETS for size in BATCHES), *cases]))

    def rows(key: str, number: Callable[[float], str], names: Iterable[str]) -> list[tuple[str, ...]]:
        return [
            (f"`{net}`", str(size), *(_contestant(cases.get((net, size)), key, name, number) for name in names))
            for net, size in order
        ]

    others = CONTESTANTS[1:]
    return "\n\n".join(
        (
            "Images a second:",
            table(("net", "batch", *CONTESTANTS), rows("images_per_second", _whole, CONTESTANTS)),
            "An epoch of 60,000 images by the zoo, at these speeds:",
            table(
                ("net", "batch", "time"),
                [(f"`{net}`", str(size), _epoch(cases.get((net, size)))) for net, size in order],
            ),
            "How many times as fast as each the zoo is:",
            table(("net", "batch", *others), rows("times_as_fast_as", _times, others)),
            "Share of the peak of matrix products:",
            table(("net", "batch", *CONTESTANTS), rows("share_of_peak", _share, CONTESTANTS)),
        )
    )


def _contestant(case: Mapping[str, Any] | None, key: str, name: str, number: Callable[[float], str]) -> str:
    if case is None:
        return ""
    return "absent" if name in case["absent"] else _cell(case.get(key, {}).get(name), number)


def _epoch(case: Mapping[str, Any] | None, images: int = 60_000) -> str:
    if case is None or "zoo" not in case["images_per_second"]:
        return ""
    speed = case["images_per_second"]["zoo"]
    ends = {"median": "median", "least": "greatest", "greatest": "least"}
    return _cell({name: images / speed[other] for name, other in ends.items()}, _time)


def _end_to_end(document: Mapping[str, Any]) -> str:
    rows = []
    for name in ("zoo", "by hand"):
        errors = document.get("test_mse", {}).get(name, ())
        seconds = _cell(document.get("seconds", {}).get(name), _time)
        faster = _cell(document.get("times_as_fast_as", {}).get(name), _times)
        told = f"{min(errors):.5f}–{max(errors):.5f}" if errors else ""
        rows.append((name, str(document.get("epochs", {}).get(name, "")), seconds, told, faster))
    return table(("who", "epochs", "wall time", "test mse of the rounds", "how many times as fast the zoo is"), rows)


def _scale(document: Mapping[str, Any]) -> str:
    rows = []
    for curve in document.get("curves", ()):
        points = "; ".join(f"{point['size']:,.0f}: {_time(point['cost']['median'])}" for point in curve["points"])
        order = "" if curve["order"] is None else f"{curve['order']:.2f}"
        bounds = f"{curve['least']:g} to {curve['most']:g}" if curve["least"] is not None else f"≤ {curve['most']:g}"
        holds = {True: "yes", False: "no", None: ""}[curve["holds"]]
        told = points or curve.get("absent", "")
        rows.append((curve["size"], curve["cost"], told, curve["expected"], order, bounds, holds))
    blank = [(name, "", "", "", "", "", "") for name in ("images", "side", "latent", "plugins", "models")]
    return table(("along", "cost", "at each size", "expected", "slope", "allowed", "holds"), rows or blank)


def _evaluate(document: Mapping[str, Any]) -> str:
    found = {one["model"]: one for one in document.get("models", ())}
    rows = []
    for name in dict.fromkeys(["vae", "conv-vae", *found]):
        one = found.get(name, {"per_second": {}, "share_of_peak": {}})
        cells = [
            _cell(one[key].get(what), number)
            for what in ("iwae-bound", "embedding")
            for key, number in (("per_second", _whole), ("share_of_peak", _share))
        ]
        rows.append((f"`{name}`", *cells))
    return table(("model", "codes of L_k a second", "of the peak", "images embedded a second", "of the peak"), rows)


def _sweep(document: Mapping[str, Any]) -> str:
    """Eight models at once: by each way, and against one after another and one alone."""
    ways = ("one", "off", "processes", "vectorised")
    rows = []
    for name in NETS:
        one = document.get("models", {}).get(name, {})
        speeds = [_cell(one.get("images_per_second", {}).get(way), _whole) for way in ways]
        ratios = [one.get(key) for key in ("times one after another", "time of all over time of one")]
        rows.append((f"`{name}`", *speeds, *("" if ratio is None else _times(ratio) for ratio in ratios)))
    headings = ("model", "one alone", "one after another", "processes", "vectorised", "fastest / one after another")
    return table((*headings, "time of all / time of one"), rows)


def _distributed(document: Mapping[str, Any]) -> str:
    rows = []
    for case in document.get("cases", ()):
        one = case["images_per_second"]
        several = next(found for key, found in one.items() if key.endswith("processes"))
        cells = [_cell(found, _whole) for found in (one["one process"], several)]
        rows.append((f"`{case['model']}`", str(case["batch_size"]), *cells, _cell(one["ratio"], _times)))
    return table(("model", "batch", "one process", "several", "several / one"), rows or [("", "", "", "", "")])


def _memory(document: Mapping[str, Any]) -> str:
    rows = [
        tuple(f"{found[key]:,.0f}" for key in ("data, MB", "train, MB", "evaluate, MB"))
        for found in document.get("sizes", ())
    ]
    return table(("images, MB", "peak of training, MB", "peak of evaluation, MB"), rows or [("", "", "")])


def _whole_runs(document: Mapping[str, Any]) -> str:
    commands = {"blog": "zoo train conv-vae.blog", "vq-vae": "zoo train vq-vae --epochs 100 --limit 50000"}
    rows = []
    for name, command in commands.items():
        one = document.get("runs", {}).get(name, {})
        told = [_cell(one.get(key), _time) for key in ("wall_seconds", "training_seconds")]
        rows.append((f"`{command}`", *told, _cell(one.get("mse"), lambda value: f"{value:.5f}")))
    return table(("command", "wall time", "of training", "test mse"), rows)


def _roofline(document: Mapping[str, Any]) -> str:
    cases = {(case["model"], case["batch_size"]): case for case in document.get("cases", ())}
    rows = []
    for net, size in dict.fromkeys([*((net, size) for net in NETS for size in (128, 512)), *cases]):
        case = cases.get((net, size), {})
        told = [_cell(case.get(key), _time) for key in ("step_seconds", "kernel_seconds")]
        best = _time(case["roofline_seconds"]) if case else ""
        rows.append((f"`{net}`", str(size), *told, best, _cell(case.get("share_of_roofline"), _share)))
    return table(("net", "batch", "step", "its kernels", "roofline", "roofline / kernels"), rows)


BENCHMARKS: Mapping[str, tuple[Callable[[Mapping[str, Any]], str], tuple[str, ...]]] = {
    "train_step": (_train_step, ("cpu", "cuda")),
    "end_to_end": (_end_to_end, ("cpu", "cuda")),
    "scale": (_scale, ("cpu", "cuda")),
    "evaluate": (_evaluate, ("cpu", "cuda")),
    "sweep": (_sweep, ("cpu", "cuda")),
    "distributed": (_distributed, ("cpu",)),
    "memory": (_memory, ("cpu",)),
    "whole_runs": (_whole_runs, ("cuda",)),
    "roofline": (_roofline, ("cuda",)),
}
"""How each is shown, and for which devices."""

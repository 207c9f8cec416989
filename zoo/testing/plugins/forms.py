"""Checks of what a plugin says of its things: names, summaries, equations, papers, and where the code is."""

from __future__ import annotations

__all__ = [
    "equations_and_papers_are_in_form",
    "names_are_in_kebab_case",
    "references_lead_to_classes",
    "summaries_are_sentences",
]

import re
from collections.abc import Iterator

from zoo.errors import one_line
from zoo.specs import CompositionSpec, DatasetSpec, MetricSpec, PartSpec, import_reference
from zoo.testing.check import Failed, require
from zoo.testing.plugins.case import PluginCase, Spec

_KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST = 120


def names_are_in_kebab_case(case: PluginCase) -> None:
    """Names of models, parts, data sets and metrics are lower-case words with dashes."""
    named = [(what, spec.name) for what, spec in case.specs]
    named += [(f"model {model.name}", model.name.partition("@")[0]) for model in case.models]
    for what, name in named:
        require(_KEBAB.fullmatch(name), f"{what}: its name is not in kebab-case; write words with dashes between them")


def summaries_are_sentences(case: PluginCase) -> None:
    """Summaries are one short sentence, with a capital letter and a full stop."""
    told = [(what, spec.summary) for what, spec in case.specs]
    told += [(f"model {model.name}", model.summary) for model in case.models]
    for what, text in told:
        require(text, f"{what}: it has no summary")
        require(text[0] == text[0].upper() and text.endswith("."), f"{what}: its summary is no sentence: '{text}'")
        one = "\n" not in text and not re.search(r"[.!?] +[A-Z]", text)
        require(one and text == text.strip(), f"{what}: its summary is more than one sentence: '{text}'")
        require(len(text) <= _LONGEST, f"{what}: its summary has {len(text)} characters; {_LONGEST} fit a table")


def equations_and_papers_are_in_form(case: PluginCase) -> None:
    """Equations are one line whose brackets close, and papers name a year, and arXiv numbers as arXiv does."""
    for what, spec in case.specs:
        if isinstance(spec, PartSpec | MetricSpec):
            _require_equation(what, spec.equation)
            _require_paper(what, spec.paper)
    for model in case.models:
        _require_paper(f"model {model.name}", model.paper)


def _require_equation(what: str, text: str) -> None:
    require("\n" not in text and text == text.strip(), f"{what}: its equation is not one line: '{text}'")
    # A half-open interval closes with the other kind.
    opened, closed = (sum(text.count(sign) for sign in signs) for signs in ("([{", ")]}"))
    require(opened == closed, f"{what}: a bracket of its equation does not close: '{text}'")


def _require_paper(what: str, text: str) -> None:
    if not text:
        return
    require("\n" not in text and not text.endswith("."), f"{what}: its paper is not one line without a stop: '{text}'")
    require(re.search(r"\((19|20)\d\d\)", text), f"{what}: its paper has no year: '{text}'; write Authors (year)")
    for number in re.findall(r"(?i:arxiv):? ?(\S+?)(?:[;,)]|\s|$)", text):
        form = re.fullmatch(r"\d{4}\.\d{4,5}(v\d+)?|[a-z-]+(\.[A-Z]{2})?/\d{7}", number)
        require(form, f"{what}: '{number}' is no arXiv number; write it as in arXiv:1312.6114")


def references_lead_to_classes(case: PluginCase) -> None:
    """Every string that says where code is leads to a class or a function of the right kind."""
    for what, spec in case.specs:
        for reference, wanted in _references(spec):
            try:
                found = import_reference(reference)
            except Exception as error:
                raise Failed(f"{what}: '{reference}' does not import: {one_line(error)}") from error
            if isinstance(wanted, str):
                require(callable(found), f"{what}: '{reference}' is no function; name one that is called as {wanted}")
            else:
                fits = isinstance(found, type) and issubclass(found, wanted)
                require(fits, f"{what}: '{reference}' is no class below zoo.{wanted.__name__}")


def _references(spec: Spec) -> Iterator[tuple[str, type | str]]:
    from zoo.interfaces import Metric, Model, Part
    from zoo.options import Options

    if isinstance(spec, PartSpec):
        yield spec.part, Part
        yield spec.options, Options
    elif isinstance(spec, CompositionSpec):
        yield spec.model, Model
    elif isinstance(spec, DatasetSpec):
        yield spec.load, "load(argument, options)"
    elif isinstance(spec, MetricSpec):
        yield spec.metric, Metric
        yield spec.options, Options

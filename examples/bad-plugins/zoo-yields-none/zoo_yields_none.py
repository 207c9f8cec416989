"""Yields what a function without a return gives."""

from zoo import hookimpl


def make_spec() -> None:
    """Forget to return the spec."""


@hookimpl
def zoo_parts():
    yield make_spec()

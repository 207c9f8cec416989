"""Implements `zoo_part`, which is no hook: it is called `zoo_parts`."""

from zoo import hookimpl


@hookimpl
def zoo_part():
    return []

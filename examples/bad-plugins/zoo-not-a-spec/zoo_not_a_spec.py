"""Yields a dictionary with the fields of a spec."""

from zoo import hookimpl


@hookimpl
def zoo_parts():
    yield {"kind": "prior", "name": "mapping", "summary": "A prior.", "part": "zoo_not_a_spec:Prior"}

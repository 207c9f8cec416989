"""Imports a package that is not installed."""

import a_package_that_is_nowhere

from zoo import PartSpec, hookimpl


@hookimpl
def zoo_parts():
    yield PartSpec(
        kind="prior",
        name="nowhere",
        summary="A prior of another package.",
        part=f"{a_package_that_is_nowhere.__name__}:Prior",
    )

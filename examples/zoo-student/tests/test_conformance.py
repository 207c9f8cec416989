"""The conformance kit of the zoo, over everything that this package brings."""

from zoo.testing import parametrize


@parametrize("zoo_student")
def test_conforms(check):
    check()

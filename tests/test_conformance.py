"""Every bundled plugin and model conforms to what the kit asks of anyone's."""

from __future__ import annotations

from collections.abc import Callable

from zoo.testing import parametrize_models, parametrize_plugin


@parametrize_plugin("generative-zoo")
def test_plugins(check: Callable[[], None]) -> None:
    check()


@parametrize_models("generative-zoo")
def test_models(check: Callable[[], None]) -> None:
    check()

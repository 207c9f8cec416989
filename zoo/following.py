"""Those who follow a run: the hooks of its life, called so that none of them can disturb it."""

from __future__ import annotations

__all__ = ["Following"]

import copy
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from functools import partial
from typing import Any

import pluggy

from zoo import hookspecs
from zoo.errors import ZooError, one_line
from zoo.plugins.discovery import Plugins
from zoo.plugins.tracing import trace
from zoo.runs.folder import Run
from zoo.tracking import Tracker
from zoo.training.progress import Progress
from zoo.training.undisturbed import undisturbed


class Following:
    """A run with those who follow it: every plugin that has hooks of a run's life, then the trackers.

    Each call has a run and values of its own to read. What a hook prints goes to stderr, and what it changes of torch's
    state is put back. One that raises is told once, and is recorded in the run.

    Arguments:
        plugins: The plugins, in the order in which they were loaded.
        run: The run, whose folder exists.
        progress: Who is told of a hook that raises.
        trackers: What follows this run alone, in the order in which it was named.
    """

    def __init__(self, plugins: Plugins, run: Run, progress: Progress, trackers: Sequence[Tracker] = ()) -> None:
        self._run = run
        self._plugins = plugins.paths
        self._progress = progress
        self._strict = plugins.strict
        self._trackers = trackers
        self._followers = [(f"plugin {_name(manager)}", manager) for manager in plugins.managers]
        self._told: set[tuple[str, str]] = set()

    @contextmanager
    def training(self) -> Iterator[None]:
        """Call `zoo_train_start` before what is in the `with`, and `zoo_train_end` after it, however it ends."""
        ended = "failed"
        for tracker in self._trackers:
            self._guard(f"tracker {tracker.name}", "building it", partial(self._build, tracker))
        try:
            self._call("zoo_train_start", {})
            yield
            ended = "finished"
        except KeyboardInterrupt:
            ended = "interrupted"
            raise
        finally:
            self._call("zoo_train_end", {"ended": ended})

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Call `zoo_train_epoch` with the line of an epoch."""
        self._call("zoo_train_epoch", {"record": record})

    def evaluated(self, scores: Mapping[str, Any]) -> None:
        """Call `zoo_evaluated` with scores that were written into the run."""
        self._call("zoo_evaluated", {"scores": scores})

    def _build(self, tracker: Tracker) -> None:
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        manager.register(tracker.load()(tracker.options, self._own_run()), name=tracker.name)
        manager.check_pending()
        self._followers.append((f"tracker {tracker.name}", manager))

    def _call(self, hook: str, values: Mapping[str, Any]) -> None:
        for who, manager in self._followers:
            for impl in getattr(manager.hook, hook).get_hookimpls():
                self._guard(who, hook, partial(self._ask, impl, values))

    def _ask(self, impl: Any, values: Mapping[str, Any]) -> None:
        arguments = {"run": self._own_run(), **copy.deepcopy(dict(values))}
        found = impl.function(*[arguments[name] for name in impl.argnames])
        if inspect.isgenerator(found) or inspect.iscoroutine(found):
            found.close()
            raise TypeError("it yields or awaits, so that nothing of it was run; write it as a plain function")

    def _own_run(self) -> Run:
        return Run(self._run.path, plugins=self._plugins)

    def _guard(self, who: str, what: str, call: Callable[[], None]) -> None:
        try:
            # What it prints must not mix with the one document of `--json`.
            with redirect_stdout(sys.stderr), undisturbed(), trace(what, who.removeprefix("plugin ")):
                call()
        except KeyboardInterrupt:
            raise
        # Whatever it is: some exit, and some libraries' errors are no Exceptions.
        except BaseException as error:
            if self._strict:
                raise
            self._tell(who, what, error)

    def _tell(self, who: str, what: str, error: BaseException) -> None:
        if (who, what) in self._told:
            return
        self._told.add((who, what))
        self._progress.say(f"{who}: {what} raised {one_line(error)}; the run goes on")
        told = "".join(traceback.format_exception(error))
        # A disk with no room, or a record that somebody else wrote over, is no reason to stop either.
        with suppress(OSError, ZooError):
            self._run.add_fault({"who": who, "hook": what, "error": one_line(error), "traceback": told})


def _name(manager: pluggy.PluginManager) -> str:
    return manager.list_name_plugin()[0][0]

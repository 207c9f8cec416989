"""What goes wrong, told to people: one line that says what, where, and what to do next."""

__all__ = ["Diverged", "Interrupted", "ZooError", "ZooWarning", "did_you_mean", "one_line"]

from collections.abc import Iterable


class ZooError(Exception):
    """A mistake of the user or the environment: shown as one line, exit code 2."""

    exit_code = 2


class ZooWarning(UserWarning):
    """Something that goes on, and that may not be what is meant: the command line shows it as one line."""


class Diverged(ZooError):
    """A run that trained and stopped making sense: exit code 1."""

    exit_code = 1


class Interrupted(KeyboardInterrupt):
    """A run stopped by the user, saved and resumable: exit code 130."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'conv-vae'?"` for the nearest known name, or nothing.

    Example:
        >>> did_you_mean("conv-vea", ["ae", "conv-vae"])
        "; did you mean 'conv-vae'?"
    """
    # Imported when something went wrong, because it takes as long as half of `zoo --help`.
    import difflib

    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.55)
    return f"; did you mean '{near[0]}'?" if near else ""


def one_line(error: BaseException) -> str:
    """Return an exception as `Type: message` on one line, for reports about code that is not ours."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

"""What `ZOO_TRACE=1` shows on stderr: each plugin that loads and each hook call, who answered, and how long it took."""

from __future__ import annotations

__all__ = ["Span", "trace"]

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from zoo.errors import one_line


@dataclass
class Span:
    """One call that is being traced; `answer` is what came of it, in a few words."""

    answer: str = ""


@contextmanager
def trace(what: str, who: str) -> Iterator[Span]:
    """Show a call when it is over, if `ZOO_TRACE` asks for it.

    Arguments:
        what: What is called, such as `zoo_parts`.
        who: Who answers, as `distribution:plugin`.
    """
    span, started = Span(), time.perf_counter()
    try:
        yield span
    except BaseException as error:
        span.answer = f"raised {one_line(error)}"
        raise
    finally:
        if os.environ.get("ZOO_TRACE", "") not in ("", "0"):
            milliseconds = 1000 * (time.perf_counter() - started)
            line = f"zoo trace: {what}  {who}  {span.answer or 'nothing'}  {milliseconds:.1f} ms"
            # Not to where a plugin's own output is sent.
            print(line, file=sys.stderr, flush=True)

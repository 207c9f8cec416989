"""What a run was made with, and finding it here: by registered name, told if it is not what it was."""

from __future__ import annotations

__all__ = ["Origin", "keep_files"]

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.catalogue import Catalogue, Source, same_distribution
from zoo.errors import ZooError, ZooWarning
from zoo.plugins.one_file import FOLDER, PluginFile
from zoo.registry import Registry
from zoo.runs.files import write_bytes
from zoo.runs.folder import Run


@dataclass(frozen=True)
class Origin:
    """What made something that is on disk.

    Arguments:
        run: The run that it is of.
        where: What messages call what it says of itself.
        made_by: By role, which distribution and version its part, composition or data was of.
    """

    run: Run
    where: str
    made_by: Mapping[str, Any]

    def find(self, registry: Registry, catalogue: Catalogue[Any] | None, role: str, name: str) -> str:
        """Return the name that finds something here, whoever else now has the same; warn if it has changed since.

        Raises:
            ZooError: If the plugin that provides it is not here.
        """
        made = self.made_by.get(role, {})
        distribution, version = made.get("distribution", "an unknown distribution"), made.get("version", "")
        spelling = catalogue.spelling(name, distribution) if catalogue is not None else None
        if catalogue is None or (spelling is None and name not in catalogue):
            what = f"{self.where} needs {role} '{name}' of {distribution} {version}".rstrip()
            raise ZooError(f"{what}, {registry.why_absent(distribution, self._kept(distribution))}")
        source = catalogue.find(spelling or name).source
        was = Source(distribution, version, "", str(made.get("sha256", "")))
        if made and (change := self._change(was, source, role, name)):
            warnings.warn(change, ZooWarning, stacklevel=2)
        return spelling or name

    def _change(self, made: Source, now: Source, role: str, name: str) -> str | None:
        """Return how a provider differs from the one that made the run, as one line, or nothing."""
        if not same_distribution(made.distribution, now.distribution):
            return (
                f"{self.run.path} was made with {role} '{name}' of {made}, which is not here; it now has that of {now}"
            )
        if made.digest != now.digest:
            then, here = (digest[:12] or "unknown" for digest in (made.digest, now.digest))
            change = f"was made with another version of {made.distribution}: sha256 {then}, and this one has {here}"
            return f"{self.run.path} {change}{self._use_kept(made.distribution)}"
        if made.version != now.version and not now.ours:
            back = f"pip install {made.distribution}=={made.version}"
            return f"{self.run.path} was made with {made}, and {now.version} is installed; '{back}' brings it back"
        return None

    def _use_kept(self, distribution: str) -> str:
        kept = self._kept(distribution)
        return f"; 'zoo --plugin {kept} …' uses the copy that the run keeps" if kept is not None else ""

    def _kept(self, distribution: str) -> Path | None:
        """Return the run, if it keeps a copy of that one-file plugin."""
        return self.run.path if (self.run.path / FOLDER / distribution).is_file() else None


def keep_files(run: Run, files: Iterable[PluginFile]) -> dict[str, str]:
    """Copy one-file plugins into a run; return the SHA-256 of all that it keeps, by name."""
    kept = run.plugin_files
    for file in files:
        target = run.path / FOLDER / file.name
        target.parent.mkdir(exist_ok=True)
        write_bytes(target, file.content)
        kept[file.name] = file.digest
    return kept

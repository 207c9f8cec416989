"""The documentation: what it shows runs, what it says of the code is so, and its links lead somewhere."""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import click
import numpy as np
import pytest
from digits import write_digits
from PIL import Image

from zoo import hookspecs
from zoo.cli.main import COMMANDS, run
from zoo.cli.main import zoo as command
from zoo.data.options import DataOptions
from zoo.options import describe
from zoo.registry import Registry, load_registry
from zoo.specs import import_reference
from zoo.training.options import TrainOptions

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
IN_PROCESSES = "docs/tutorial.md"
"""What tests/test_tutorial.py runs line by line in a shell, since it installs a package and changes it."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `file` is what it is written to, if anything."""

    place: str
    line: int
    language: str
    file: str | None
    code: str


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for match in re.finditer(r"^```(\S*)(?: file=(\S+))?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text[: match.start()].count("\n") + 1
        yield Block(f"{page.name}:{line}", line, match[1], match[2], match[3])


def is_run(block: Block) -> bool:
    return block.language in ("sh", "console", "python") or block.file is not None


def write_pictures(folder: Path) -> None:
    """Write photographs of mixed sizes, as people have them."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(24):
        pixels = rng.integers(0, 256, (40 + number, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_digits(folder / "MNIST" / "raw")
    return folder


@pytest.fixture
def desk(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, with small data, and no trace left in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_DATA", str(data))
    monkeypatch.setenv("XDG_CACHE_HOME", str(data / "cache"))
    for name in ("ZOO_DISABLE", "ZOO_STRICT", "ZOO_TRACE"):
        monkeypatch.delenv(name, raising=False)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def call_zoo(words: list[str]) -> tuple[int, str]:
    """Run a `zoo` command in this process, which saves importing torch each time; return exit code and output."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        code = run(words)
    return code, shown.getvalue()


def call(line: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Run a line of a shell: variables, then `zoo` or `pip install`."""
    words = shlex.split(line, comments=True)
    with monkeypatch.context() as patch:
        while re.fullmatch(r"[A-Z_]+=.*", words[0]):
            patch.setenv(*words.pop(0).split("=", 1))
        if words[0] == "zoo":
            return call_zoo(words[1:])
    assert words[:2] == ["pip", "install"], f"the tests cannot run {words[0]}"
    site = Path("site").resolve()
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", site, *words[2:]], check=True)
    monkeypatch.syspath_prepend(site)
    return 0, ""


def plain(text: str) -> list[str]:
    """Return the lines of an output without the drawing and the padding of tables."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if line.strip("─━ ")]


def is_like(shown: str, wanted: str) -> bool:
    """Whether an output has the wanted lines; `...` stands for any."""
    pattern = "".join("(?:.*\n)*" if line == "..." else re.escape(line) + "\n" for line in plain(wanted))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in plain(shown))) is not None


def run_shell(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in block.code.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            code, shown = call(line, monkeypatch)
            assert code == 0, f"{block.place}: {line}\n{shown}"


def run_console(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]:
        line, _, wanted = entry.partition("\n")
        _, shown = call(line, monkeypatch)
        assert is_like(shown, wanted), f"{block.place}: {line}\nshows\n{shown}\nnot\n{wanted}"


def pages_that_run() -> list[str]:
    return [name for name in NAMES if name != IN_PROCESSES and any(map(is_run, blocks(ROOT / name)))]


@pytest.mark.parametrize("name", pages_that_run())
def test_what_a_page_shows_runs(name: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(desk / "pictures")
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(ROOT / name):
        if block.file is not None:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.code)
        elif block.language == "sh":
            run_shell(block, monkeypatch)
        elif block.language == "console":
            run_console(block, monkeypatch)
        elif block.language == "python":
            # Lines before it, so that a traceback names the page's line.
            exec(compile("\n" * block.line + block.code, name, "exec"), names)


def parse_python(code: str) -> None:
    """Parse code that is shown but not run; a signature alone is shown without its body."""
    ast.parse(f"{code.rstrip()}: ..." if re.match(r"def [^\n]*\n\Z", code) else code)


PARSERS = {"py": parse_python, "toml": tomllib.loads, "json": json.loads}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_page_shows_and_does_not_run_can_be_read(name: str) -> None:
    for block in blocks(ROOT / name):
        if block.language in PARSERS:
            try:
                PARSERS[block.language](block.code)
            except (SyntaxError, ValueError) as error:
                pytest.fail(f"{block.place}: {error}")


def modules_with_examples() -> list[str]:
    found = [(root, path) for root in (ROOT, ROOT / "plugins") for path in sorted(root.glob("zoo*/**/*.py"))]
    relative = [path.relative_to(root) for root, path in found if ">>> " in path.read_text()]
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in relative]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_in_docstrings_run(name: str, desk: Path) -> None:
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    shown = io.StringIO()
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(example, out=shown.write)
    assert runner.tries > 0
    assert runner.failures == 0, shown.getvalue()


@pytest.fixture(scope="module")
def scripts() -> Iterator[None]:
    """The scripts of docs/ as they find each other when they are run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        yield


@pytest.fixture(scope="module")
def generator(scripts: None) -> ModuleType:
    return importlib.import_module("generate")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(third_party=False)


@pytest.mark.parametrize("name", NAMES)
def test_generated_blocks_are_up_to_date(name: str, generator: ModuleType) -> None:
    text = (ROOT / name).read_text()
    assert generator.fill(text) == text, "run 'make docs'"


def test_generated_blocks_are_looked_for_on_every_page(generator: ModuleType) -> None:
    assert set(generator.pages()) == {*PAGES} - {ROOT / "CONTRIBUTING.md"}


def headings(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.+)$", text, re.MULTILINE)


def test_every_command_is_in_the_reference() -> None:
    assert {f"zoo {name}" for name in COMMANDS} <= set(headings(DOCS / "cli.md"))


def test_the_reference_shows_examples_line_by_line() -> None:
    assert "\n    zoo train conv-vae --beta 0.11\n" in (ROOT / "docs" / "cli.md").read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_that_is_described_works(shell: str, desk: Path) -> None:
    assert f"_ZOO_COMPLETE={shell}_source" in (ROOT / "docs" / "completion.md").read_text()
    typed = {"COMP_WORDS": "zoo train conv", "COMP_CWORD": "conv" if shell == "fish" else "2"}
    shown = [
        subprocess.run(
            [sys.executable, "-m", "zoo"],
            env={**os.environ, "_ZOO_COMPLETE": f"{shell}_{what}", **typed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for what in ("source", "complete")
    ]
    assert "zoo" in shown[0]
    assert "conv-vae" in shown[1]


def test_every_model_has_a_page_with_words_of_its_own(registry: Registry) -> None:
    models = {entry.name for entry in registry.models.entries() if entry.source.ours}
    assert {page.stem for page in (DOCS / "models").glob("*.md")} == models
    for name in models:
        text = (DOCS / "models" / f"{name}.md").read_text()
        assert {f"generated: head {name}", f"generated: model {name}"} <= set(re.findall(r"<!-- (.+?) -->", text))
        by_hand = re.sub(r"<!-- generated.*?<!-- end -->", "", text, flags=re.DOTALL)
        assert len(by_hand.split()) > 15, f"{name}: say what it is for"


def test_the_page_of_a_new_model_is_begun(
    generator: ModuleType, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = importlib.import_module("model_pages")
    assert pages.missing_pages(registry) == {}
    monkeypatch.setattr(pages, "FOLDER", tmp_path)
    begun = pages.missing_pages(registry)
    assert len(begun) > 20
    assert "## Options" in generator.fill(begun[tmp_path / "vae.md"])


def test_every_part_is_described(registry: Registry) -> None:
    described = set(headings(DOCS / "parts.md"))
    parts = {f"{kind} {entry.name}" for kind, catalogue in registry.parts.items() for entry in catalogue.entries()}
    assert parts <= described


def test_every_metric_is_described(registry: Registry) -> None:
    described = set(headings(DOCS / "metrics.md"))
    assert {entry.name for entry in registry.metrics.entries() if entry.source.ours} <= described


HOOKS = [name for name in hookspecs.__all__ if name.startswith("zoo_")]


def code_of(name: str) -> str:
    """The code on a page that is run."""
    return "".join(block.code for block in blocks(ROOT / name) if is_run(block))


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_described_with_its_signature(hook: str) -> None:
    text = (DOCS / "hooks.md").read_text()
    declared = re.search(rf"^def {hook}\(.*?\) -> .*?(?=:$)", Path(hookspecs.__file__).read_text(), re.MULTILINE)
    assert declared is not None
    assert hook in headings(DOCS / "hooks.md")
    assert f"\n{declared[0]}\n" in text


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_an_example_that_runs(hook: str) -> None:
    assert any(re.search(rf"^ *def {hook}\(", code_of(name), re.MULTILINE) for name in pages_that_run())


def flags_of(group: click.Command, context: click.Context) -> set[str]:
    found = {flag for param in group.params for flag in (*param.opts, *param.secondary_opts)}
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            below = group.get_command(context, name)
            assert below is not None
            found |= flags_of(below, context)
    return found


@pytest.fixture(scope="module")
def flags(registry: Registry) -> set[str]:
    """Every flag that some command takes: its own, the trainer's, roles, and the options of parts and metrics."""
    found = {"--help", *flags_of(command, click.Context(command))}
    names = [field.flag for owner in (TrainOptions, DataOptions) for field in describe(owner)]
    for kind, catalogue in registry.parts.items():
        names.append(kind)
        for entry in catalogue.entries():
            fields = describe(import_reference(entry.item.options))
            names += [name for field in fields for name in (field.flag, f"{kind}.{field.flag}")]
    for entry in registry.metrics.entries():
        names += [f"{entry.name}.{field.flag}" for field in describe(import_reference(entry.item.options))]
    for entry in registry.trackers.entries():
        names += [f"{entry.name}.{field.flag}" for field in describe(import_reference(entry.item.options))]
    return found | {f"--{name}" for name in names} | {f"--no-{name}" for name in names}


ELSEWHERE = {
    "plugins.md": {"--weight", "--sharpness.images"},  # options of what the page itself writes
    "README.md": {"--free"},
    "hooks.md": {"--last-loss.name"},
    "tracking.md": {"--plainly", "--logdir"},  # of the page's own tracker, of tensorboard
    "options.md": {"--bta", "--channels"},  # shown as mistakes
    "tutorial.md": {"--noise", "--nois", "--part", "--editable", "--no-deps", "--wheel-dir"},  # its own, pip's
    "publishing.md": {"--no-deps", "--wheel-dir", "--repository"},  # those of pip and twine
    "performance.md": {"--curves", "--images", "--memory", "--peer-python", "--quick"},  # those of the benchmarks
    "distributed.md": {"--nproc-per-node", "--nnodes", "--rdzv-backend", "--rdzv-endpoint"},  # those of torchrun
    "CONTRIBUTING.md": set(),
}


@pytest.mark.parametrize("name", NAMES)
def test_every_flag_that_a_page_names_exists(name: str, flags: set[str]) -> None:
    text = re.sub(r"<!--.*?-->|\]\([^)]*\)", "", (ROOT / name).read_text(), flags=re.DOTALL)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9.-]*[a-z0-9]", text))
    assert named - flags - ELSEWHERE.get(Path(name).name, set()) == set()


def anchor(heading: str) -> str:
    """Return what GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?:", target):
            continue
        path, _, part = target.partition("#")
        goal = (page.parent / path) if path else page
        assert goal.exists(), f"{name} links to {target}"
        assert not part or part in map(anchor, headings(goal)), f"{name} links to {target}, which has no such heading"

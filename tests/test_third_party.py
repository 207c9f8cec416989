"""A plugin of other people's: built, installed, used, compared, removed, and never seen by the checkout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from installing import ROOT, Clean, build

pytestmark = pytest.mark.slow

SOURCE = ROOT / "examples" / "zoo-student"
MODELS = {"student-vae", "student-power-vae"}
SMALL = ("--data", "glyphs", "--limit", "512", "--epochs", "1")


@pytest.fixture(scope="module")
def student_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin's wheel, built from a copy that holds nothing but its own folder."""
    home = tmp_path_factory.mktemp("student")
    source = shutil.copytree(SOURCE, home / "zoo-student", ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    (home / "dist").mkdir()
    return build("wheel", source, home / "dist")


@pytest.fixture(scope="module")
def student(clean: Clean, student_wheel: Path) -> Clean:
    """A clean environment with the wheels of the zoo and of the plugin."""
    clean.install(student_wheel)
    return clean


@pytest.fixture(scope="module")
def run(student: Clean) -> str:
    """A run of the plugin's model."""
    done = json.loads(student("zoo", "train", "student-vae", *SMALL, "--out", "runs/student", "--json"))
    assert (done["model"], done["data"]) == ("student-vae", "glyphs")
    assert done["scores"]["rate"] > 0
    return str(done["run"])


def test_its_own_tests_pass_where_it_is_installed(student: Clean, tmp_path: Path) -> None:
    home = tmp_path / "tests-alone"
    home.mkdir()
    shutil.copy(SOURCE / "pyproject.toml", home)
    shutil.copytree(SOURCE / "tests", home / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    assert " passed" in replace(student, folder=home)("python", "-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_it_is_imported_from_its_wheel(student: Clean) -> None:
    place = student("python", "-c", "import zoo_student; print(zoo_student.__file__)").strip()
    assert Path(place).is_relative_to(student.site)


def test_it_is_listed_with_its_distribution(student: Clean) -> None:
    listed = {model["name"]: model for model in json.loads(student("zoo", "list", "--json"))}
    assert set(listed) >= MODELS
    assert {listed[name]["distribution"] for name in MODELS} == {"zoo-student"}
    found = json.loads(student("zoo", "plugins", "--json"))
    assert found["faults"] == []
    (mine,) = (plugin for plugin in found["plugins"] if plugin["distribution"] == "zoo-student")
    assert mine["version"] == "0.1.0"
    assert not mine["imports_torch"]


def test_it_trains_samples_and_loads(student: Clean, run: str) -> None:
    student("zoo", "sample", run)
    scores = json.loads(student("zoo", "evaluate", run, "--json"))
    assert scores["scores"]["rate"] > 0
    shape = student("python", "-c", f"import zoo; print(tuple(zoo.load({run!r}).model.sample(2).shape))")
    assert shape.strip() == "(2, 1, 28, 28)"


def test_it_is_compared_with_a_bundled_model(student: Clean) -> None:
    models = ("student-vae.tiny", "vae.tiny")
    done = json.loads(student("zoo", "compare", *models, *SMALL, "--samples", "100", "--out", "compare/two", "--json"))
    assert [model["name"] for model in done["models"]] == list(models)
    report = (student.folder / "compare" / "two" / "report.html").read_text()
    assert all(model in report for model in models)


@pytest.fixture(scope="class")
def bereft(student: Clean, run: str, student_wheel: Path) -> Iterator[Clean]:
    """The same environment once the plugin is uninstalled; it comes back for the tests after."""
    student.pip("uninstall", "--yes", "zoo-student")
    yield student
    student.install(student_wheel)


class TestUninstalled:
    """Its run needs it, and says so."""

    @pytest.mark.parametrize("command", ["sample", "evaluate"])
    def test_a_command_names_the_distribution(self, bereft: Clean, run: str, command: str) -> None:
        line = bereft.refused("zoo", command, run)
        assert line.startswith("zoo: ")
        assert "pip install zoo-student" in line

    def test_so_does_loading_in_python(self, bereft: Clean, run: str) -> None:
        code = f"""if True:
            import zoo
            try:
                zoo.load({run!r}).model
            except zoo.ZooError as error:
                print(error)
        """
        (line,) = bereft("python", "-c", code).splitlines()
        assert "pip install zoo-student" in line

    def test_the_rest_works(self, bereft: Clean) -> None:
        listed = {model["name"] for model in json.loads(bereft("zoo", "list", "--json"))}
        assert not MODELS & listed
        assert "vae" in listed
        assert json.loads(bereft("zoo", "plugins", "--json"))["faults"] == []

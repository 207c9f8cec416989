"""The benchmarks: their mathematics, that contestants compute the same, and that each runs, at a tiny size."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import io
import json
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from digits import TRAIN, write_digits
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "benchmarks"

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def scripts() -> Iterator[None]:
    """The scripts of benchmarks/ and docs/ as they find each other when they are run."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        patch.syspath_prepend(FOLDER)
        yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith((str(FOLDER), str(ROOT / "docs"))):
            del sys.modules[name]


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_digits(folder / "MNIST" / "raw")
    return folder


@pytest.fixture
def run(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a benchmark's `main` with flags, and returns what it wrote; what it starts is found where this was."""
    monkeypatch.setenv("ZOO_DATA", str(data))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()

    def call(name: str, *flags: str) -> dict[str, Any]:
        common = ("--rounds", "1", "--threads", "1", "--out", str(tmp_path / "results"))
        monkeypatch.setattr("sys.argv", [f"{name}.py", *common, *flags])
        script(name).main()
        document: dict[str, Any] = json.loads((tmp_path / "results" / f"{name}-cpu.json").read_text())
        return document

    with torch.random.fork_rng():
        yield call
    torch.set_num_threads(threads)


# Mathematics.


def test_the_median_counts_and_the_range_is_told() -> None:
    found = script("measuring").spread([5.0, 1.0, 2.0, 9.0])
    assert (found.median, found.least, found.greatest, found.rounds) == (3.5, 1.0, 9.0, 4)


def test_contestants_take_turns_and_each_round_begins_with_another() -> None:
    order: list[str] = []

    def of(name: str) -> Callable[[], int]:
        def take() -> int:
            order.append(name)
            return len(order)

        return take

    found = script("measuring").in_turn({name: of(name) for name in "abc"}, rounds=3, warm_up=1)
    assert "".join(order) == "abcbcacababc"
    # The first three were the warm-up.
    assert found == {"a": [6, 8, 10], "b": [4, 9, 11], "c": [5, 7, 12]}


@given(
    order=st.floats(-1, 3),
    scale=st.floats(1e-3, 1e3),
    sizes=st.lists(st.integers(1, 10**7), min_size=2, max_size=8, unique=True),
)
def test_the_slope_of_a_power_is_its_exponent(order: float, scale: float, sizes: list[int]) -> None:
    found = script("measuring").slope(sizes, [scale * size**order for size in sizes])
    assert found == pytest.approx(order, abs=1e-6)


def test_the_peak_is_what_products_of_matrices_reach() -> None:
    peak = script("measuring").peak_flops("cpu", sizes=(64, 128), seconds=0.01)
    assert 1e7 < peak < 1e15


def test_speeds_ratios_and_shares_are_of_the_same_rounds() -> None:
    rounds = {
        "zoo": [{"training": 1.0, "whole": 2.0}, {"training": 2.0, "whole": 4.0}],
        "bare step": [{"training": 2.0, "whole": 2.0}, {"training": 8.0, "whole": 8.0}],
        "matrix product": [{"flops": 1000.0}, {"flops": 2000.0}],
    }
    found = script("train_step").figures(rounds, images=100, flops=5.0)
    assert found["images_per_second"]["zoo"].greatest == 100
    assert found["images_per_second_of_whole_epochs"]["zoo"].greatest == 50
    assert (found["times_as_fast_as"]["bare step"].least, found["times_as_fast_as"]["bare step"].greatest) == (2, 4)
    assert found["share_of_peak"]["zoo"].greatest == 100 * 5 / 1000
    assert found["share_of_peak"]["zoo"].least == 50 * 5 / 2000


def test_the_fewest_epochs_are_the_first_that_reach_the_goal() -> None:
    fewest = script("end_to_end").fewest_epochs
    asked: list[int] = []

    def score(epochs: int) -> float:
        asked.append(epochs)
        return 0.03 / epochs

    assert fewest(score, 0.011) == 3
    assert asked == [1, 2, 3]
    with pytest.raises(SystemExit, match="2 epochs end at"):
        fewest(score, 0.001, most=2)


def curve(order: float, least: float | None = 0.9, most: float = 1.1, count: int = 4) -> Any:
    scale, spread = script("scale"), script("measuring").spread
    points = {10.0**i: spread([(10.0**i) ** order]) for i in range(count)}
    return scale.Curve("images", "seconds", "linear", least, most, 10, points)


def test_an_order_holds_between_its_bounds_and_is_told_where_it_does_not() -> None:
    assert curve(1.0).holds is True
    assert curve(2.0).holds is False
    assert curve(0.1).holds is False
    assert curve(0.1, least=None).holds is True
    assert curve(1.0, count=2).holds is None


def test_small_sizes_do_not_count_for_the_order() -> None:
    scale, spread = script("scale"), script("measuring").spread
    points = {1.0: spread([100.0]), 10.0: spread([10.0]), 100.0: spread([100.0])}
    assert scale.Curve("images", "seconds", "linear", 0.9, 1.1, 10, points).order == pytest.approx(1)


def test_the_exit_code_is_one_where_an_order_does_not_hold(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script("scale"), "CURVES", {"images": lambda _: curve(2.0)})
    with pytest.raises(SystemExit) as ended:
        run("scale", "--curves", "images")
    assert ended.value.code == 1
    monkeypatch.setattr(script("scale"), "CURVES", {"images": lambda _: curve(1.0)})
    assert run("scale", "--curves", "images")["curves"][0]["order"] == pytest.approx(1)


def test_an_operator_takes_what_it_computes_or_what_it_moves() -> None:
    roofline = script("roofline")
    work = [roofline.Operator(1000, 10), roofline.Operator(0, 400)]
    # 1000 / 100, 400 / 20, and Adam's 28 bytes for each of 5 parameters.
    assert roofline.roofline(work, 5, peak=100, moved_per_second=20) == pytest.approx(10 + 20 + 7)


def test_operators_are_counted_with_their_operations_and_bytes() -> None:
    roofline = script("roofline")
    a, b = torch.rand(4, 5), torch.rand(5, 6)
    with roofline.Watch() as watch:
        (a @ b).view(6, 4)
    (product,) = watch.operators
    assert product.flops == 2 * 4 * 5 * 6
    assert product.moved == 4 * (20 + 30 + 24)


# That contestants compute the same.


@pytest.mark.parametrize("name", ["conv-vae", "vae"])
def test_the_plain_net_computes_what_the_zoo_does(name: str, tmp_path: Path) -> None:
    agreement, nets = script("agreement"), script("nets")
    reference = agreement.reference_of(name)
    agreement.write_reference(reference, tmp_path / "reference.pt")
    read = agreement.read_reference(tmp_path / "reference.pt")
    assert agreement.check_plain(nets.NETS[name](), read) <= agreement.TOLERANCE
    assert sum(p.numel() for p in nets.NETS[name]().parameters()) == sum(w.numel() for w in reference.weights)


def test_another_loss_does_not_pass_for_the_same() -> None:
    agreement, nets = script("agreement"), script("nets")
    reference = agreement.reference_of("vae")
    net = nets.vae()
    net.beta = 1.01
    with pytest.raises(SystemExit, match="does not compute the same"):
        agreement.check_plain(net, reference)


def test_another_shape_is_told() -> None:
    agreement, nets = script("agreement"), script("nets")
    with pytest.raises(SystemExit, match="should be"):
        agreement.check_plain(nets.vae(latent=10), agreement.reference_of("vae"))


# That each runs.


@pytest.fixture
def task(run: Run, tmp_path: Path) -> Callable[[str], Any]:
    """Makes the task of a contestant, with data and the reference where it looks for them."""
    script("plain_mnist").copy_mnist(tmp_path)

    def make(name: str) -> Any:
        made = script("contestants").Task(name, "vae", 64, TRAIN, "cpu", None, 1, str(tmp_path))
        agreement = script("agreement")
        agreement.write_reference(agreement.reference_of("vae"), made.reference)
        return made

    return make


@pytest.mark.parametrize("name", ["zoo", "by hand, 0 workers", "bare step", "products alone", "pythae", "lightning"])
def test_a_contestant_trains_an_epoch_for_each_line_that_it_is_told(name: str, task: Callable[[str], Any]) -> None:
    contestants = script("contestants")
    needed = contestants.NEEDS.get(name)
    if needed is not None and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed; pip install -r benchmarks/requirements.txt")
    made, answers = task(name), io.StringIO()
    pace = contestants.Pace(made, io.StringIO("\n\n"), answers)
    with warnings.catch_warnings():
        if needed is not None:
            warnings.simplefilter("ignore")  # what other libraries are warned of is theirs
        with pytest.raises(contestants.Finished):
            contestants.CONTESTANTS[name](made, pace)
    stands, *epochs = map(json.loads, answers.getvalue().splitlines())
    assert stands["torch"] == torch.__version__
    assert len(epochs) == 2
    assert all(0 < epoch["training"] <= epoch["whole"] for epoch in epochs)


def test_a_setting_that_the_zoo_does_not_take_is_told_as_a_reason(task: Callable[[str], Any]) -> None:
    contestants = script("contestants")
    answers = io.StringIO()
    odd = dataclasses.replace(task("zoo"), precision="tf32")
    contestants.zoo(odd, contestants.Pace(odd, io.StringIO(), answers))
    assert "tf32 is of NVIDIA's GPUs" in json.loads(answers.getvalue())["absent"]


def test_a_step_of_training(run: Run) -> None:
    only = "zoo;matrix product;pythae"
    document = run("train_step", "--cases", "vae:64", "--images", str(TRAIN), "--only", only)
    (case,) = document["cases"]
    there = {"zoo"} | ({"pythae"} if importlib.util.find_spec("pythae") else set())
    assert case["images_per_second"].keys() == there
    assert all(found["median"] > 0 for found in case["images_per_second"].values())
    assert 0 < case["share_of_peak"]["zoo"]["median"] < 2
    assert case["largest_difference"] < 1e-4
    # Two layers before the code and two after it, forwards, their weights' gradients, and all inputs' but the first's.
    layers = [784 * 400, 400 * 40, 20 * 400, 400 * 784]
    assert case["flops_per_image"] == 2 * (3 * sum(layers) - layers[0])
    if "pythae" not in there:
        assert case["absent"] == {"pythae": "pythae is not installed"}
    assert str(Path.home()) not in json.dumps(document)
    assert socket.gethostname() not in json.dumps(document)


def test_a_contestant_that_fails_is_told_with_what_it_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    train_step = script("train_step")
    monkeypatch.setattr(train_step, "command_of", lambda task: ["-c", "raise RuntimeError('no more memory')"])
    with pytest.raises(SystemExit, match="bare step ended: RuntimeError: no more memory"):
        run("train_step", "--cases", "vae:64", "--only", "bare step")


@pytest.mark.parametrize("cases", ["vae", "vae:0", "vae:x", "resnet:64", ""])
def test_cases_that_make_no_sense_are_told(run: Run, cases: str) -> None:
    with pytest.raises(SystemExit, match="write a model of conv-vae, vae"):
        run("train_step", "--cases", cases)


def test_contestants_that_nobody_knows_are_told(run: Run) -> None:
    with pytest.raises(SystemExit, match="the contestants are zoo"):
        run("train_step", "--only", "keras")


def test_an_interpreter_that_is_not_there_is_told(run: Run) -> None:
    with pytest.raises(SystemExit, match="there is no such interpreter"):
        run("train_step", "--peer-python", "nowhere/python")


def test_without_data_it_says_where_it_was_looked_for(run: Run, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(SystemExit, match="MNIST is not below ZOO_DATA"):
        run("train_step", "--cases", "vae:64", "--only", "bare step")


def test_without_a_gpu_it_says_so(run: Run) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit, match="no CUDA GPU"):
        run("train_step", "--device", "cuda")


@pytest.mark.parametrize("held_out", [False, True])
def test_the_loop_to_a_quality_scores_what_it_did_not_see(run: Run, tmp_path: Path, held_out: bool) -> None:
    folder = script("plain_mnist").copy_mnist(tmp_path)
    assert 0 < script("end_to_end").train_by_hand(folder, 1, 0, "cpu", held_out) < 0.5


def test_both_train_as_long_as_they_need(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    end_to_end = script("end_to_end")
    seeds: list[int] = []

    def of(seconds: float, error: float) -> Callable[..., Any]:
        def train(*where: Any, held_out: bool = False) -> Any:
            epochs, seed = [each for each in where if isinstance(each, int)]
            seeds.append(seed)
            return end_to_end.Outcome(seconds * epochs, error / epochs)

        return train

    monkeypatch.setattr(end_to_end, "by_zoo", of(1.0, 0.03))
    monkeypatch.setattr(end_to_end, "by_hand", of(2.0, 0.045))
    document = run("end_to_end", "--rounds", "3")
    assert document["epochs"] == {"zoo": 2, "by hand": 3}
    assert document["seconds"]["zoo"]["median"] == 2
    assert document["times_as_fast_as"]["by hand"]["median"] == 3
    assert seeds == [0] * 5 + [0, 0, 1, 1, 2, 2]


@pytest.mark.slow  # whole processes, which import torch and draw pictures
def test_a_whole_run(run: Run) -> None:
    document = run("end_to_end", "--mse", "0.9")
    assert document["epochs"] == {"zoo": 1, "by hand": 1}
    assert all(0 < mse < 1 for errors in document["test_mse"].values() for mse in errors)
    assert document["seconds"]["zoo"]["median"] > 0.5


def test_growth(run: Run) -> None:
    small = ("--largest", "1000", "--largest-side", "16", "--largest-latent", "2", "--largest-plugins", "5")
    document = run("scale", "--curves", "images,side,latent,plugins", *small)
    sizes = {found["size"]: [point["size"] for point in found["points"]] for found in document["curves"]}
    assert sizes == {"images": [1000], "side": [16], "latent": [2], "plugins": [5]}
    assert all(found["holds"] is None for found in document["curves"])


def test_evaluation(run: Run) -> None:
    document = run("evaluate", "--models", "vae", "--k", "20", "--images", "4", "--embedded", "400")
    (found,) = document["models"]
    assert found["flops_per_code"] == 2 * (20 * 400 + 400 * 784)
    assert found["flops_per_image"] == 2 * (784 * 400 + 400 * 40)
    assert found["per_second"]["iwae-bound"]["median"] > 0


def test_the_roofline(run: Run) -> None:
    document = run("roofline", "--models", "vae", "--batches", "64", "--images", "64")
    (case,) = document["cases"]
    assert case["kernel_seconds"]["median"] > 0
    assert case["roofline_seconds"] > 0


@pytest.mark.parametrize(("name", "flags"), [("distributions", ["--repeats", "1"]), ("mixture", ["--repeats", "1"])])
def test_costs_of_parts(run: Run, name: str, flags: list[str]) -> None:
    assert run(name, *flags)["versions"]["torch"] == torch.__version__


@pytest.mark.slow  # every benchmark by its one command, in processes of their own: minutes
def test_all_of_them_by_one_command(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_DATA", str(data))
    monkeypatch.setattr("sys.argv", ["run.py", "--quick"])
    script("run").main()

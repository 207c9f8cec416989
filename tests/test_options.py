"""Options and schedules: declared once, checked alike wherever a value comes from."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import dataclass, make_dataclass
from typing import Any, Literal

import pytest
import tomli_w
import torch
from hypothesis import given
from hypothesis import strategies as st

import zoo
from zoo import Options, Schedule, Scheduled, Step, ZooError, at_step, option
from zoo.data.options import DataOptions
from zoo.interfaces.steps import number_at_step
from zoo.options import describe
from zoo.schedules import parse_schedule
from zoo.training.options import TrainOptions, parse_duration


@dataclass(frozen=True, kw_only=True)
class Every(Options):
    """An option of each type."""

    whole: int = option(3, "A whole number.", min=1, max=9)
    real: float = option(0.5, "A number.", above=0, below=1)
    wide: float = option(0.0, "A number of any size.")
    yes: bool = option(True, "A switch.")
    text: str = option("a", "A text.")
    choice: Literal["relu", "leaky-relu", "tanh"] = option("relu", "One of three.")
    many: tuple[int, ...] = option((8, 16), "Some whole numbers.", min=1)
    words: tuple[str, ...] = option((), "Some words.")
    perhaps: float | None = option(None, "A number or none.", min=0)
    maybe: int | None = option(4, "A whole number or none.")
    moving: Scheduled = option(1.0, "A number or a schedule.", min=0)
    falling: Scheduled = option("one-cycle:4e-3", "A rate.", above=0)


def fields(cls: type[Options]) -> dict[str, Any]:
    return {field.name: field for field in describe(cls)}


@pytest.mark.parametrize(
    ("name", "given", "found"),
    [
        ("whole", "7", 7),
        ("whole", 7.0, 7),
        ("whole", "1e0", 1),
        ("real", "0.25", 0.25),
        ("wide", 3, 3.0),
        ("wide", "-1e-3", -0.001),
        ("yes", "off", False),
        ("yes", "True", True),
        ("choice", "tanh", "tanh"),
        ("many", "4,8", (4, 8)),
        ("many", " 4, 8 ", (4, 8)),
        ("many", [4], (4,)),
        ("many", 4, (4,)),
        ("many", "", ()),
        ("many", "none", ()),
        ("words", "a,b", ("a", "b")),
        ("perhaps", "none", None),
        ("perhaps", "2", 2.0),
        ("maybe", None, None),
        ("moving", "0.3", 0.3),
        ("moving", "linear:0..1@5000", parse_schedule("linear:0..1@5000")),
        ("falling", "cosine:1e-3..0", parse_schedule("cosine:1e-3..0")),
    ],
)
def test_values_are_read_in_their_type(name: str, given: Any, found: Any) -> None:
    value = getattr(Every(**{name: given}), name)
    assert value == found
    assert type(value) is type(found)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("whole", 0, "whole must be at least 1, got 0"),
        ("whole", "10", "whole must be at most 9, got 10"),
        ("whole", "2.5", "whole must be a whole number, got 2.5"),
        ("whole", "three", "whole must be a whole number, got 'three'"),
        ("whole", True, "whole must be a whole number, got True"),
        ("whole", None, "whole needs a value"),
        ("whole", [3], "whole must be a whole number, got [3]"),
        ("whole", 10**400, "whole must be a whole number"),
        ("real", 0, "real must be above 0, got 0"),
        ("real", 1.0, "real must be below 1, got 1"),
        ("real", "nan", "real must be finite, got nan"),
        ("wide", "inf", "wide must be finite, got inf"),
        ("wide", "1e999", "wide must be finite"),
        ("yes", "perhaps", "yes must be true or false, got 'perhaps'"),
        ("yes", 1, "yes must be true or false, got 1"),
        ("text", 3, "text must be text, got 3"),
        ("choice", "leaky_relu", "one of relu, leaky-relu, tanh, got 'leaky_relu'; did you mean 'leaky-relu'?"),
        ("choice", "swish-like-nothing", "choice must be one of relu, leaky-relu, tanh"),
        ("many", "4,0", "many must be at least 1, got 0"),
        ("many", "4,x", "many must be a whole number, got 'x'"),
        ("perhaps", -1, "perhaps must be at least 0, got -1"),
        ("moving", "linear:0..-1@50", "moving must be at least 0, got -1"),
        ("moving", "linear", "moving: 'linear' is neither a number nor a schedule such as linear:0..1@5000"),
        ("moving", "liner:0..1@5", "did you mean 'linear'?"),
        ("falling", "0", "falling must be above 0, got 0"),
        ("wide", "linear:0..1@5", "wide is read once, not at each step: it takes a number, no schedule"),
        ("wide", parse_schedule("linear:0..1@5"), "it takes a number, no schedule"),
        ("wide", "a:b", "wide must be a number, got 'a:b'"),
    ],
)
def test_wrong_values_are_refused_with_name_and_reason(name: str, given: Any, words: str) -> None:
    with pytest.raises(ZooError) as caught:
        Every(**{name: given})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_are_met_with_the_nearest() -> None:
    with pytest.raises(ZooError, match=r"Every has no option 'mnay'; did you mean 'many'\?"):
        Every.from_dict({"mnay": 3})
    with pytest.raises(ZooError, match=r"no option 'qqqqq'$"):
        Every.from_dict({"qqqqq": 3})


SCHEDULES = st.one_of(
    st.builds(
        "{}:{!r}..{!r}@{}{}".format,
        st.sampled_from(["linear", "cosine", "cyclic"]),
        st.floats(0.001, 1e6),
        st.floats(0.001, 1e6),
        st.integers(1, 100),
        st.sampled_from(["", "ep", "%"]),
    ),
    st.builds("one-cycle:{!r}".format, st.floats(1e-6, 10)),
    st.builds("steps:{!r}@0,{!r}@{}ep".format, st.floats(1e-6, 10), st.floats(1e-6, 10), st.integers(1, 10**6)),
)
PRINTABLE = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
EVERY = st.builds(
    Every,
    whole=st.integers(1, 9),
    real=st.floats(0, 1, exclude_min=True, exclude_max=True),
    wide=st.floats(allow_nan=False, allow_infinity=False),
    yes=st.booleans(),
    text=PRINTABLE,
    choice=st.sampled_from(["relu", "leaky-relu", "tanh"]),
    many=st.lists(st.integers(1, 10**12)),
    words=st.lists(PRINTABLE.filter(bool)),
    perhaps=st.none() | st.floats(0, 1e300),
    maybe=st.none() | st.integers(-(10**9), 10**9),
    moving=st.floats(0, 1e300) | SCHEDULES,
    falling=st.floats(1e-300, 1e300) | SCHEDULES,
)


@given(EVERY)
def test_options_survive_json_and_toml(options: Every) -> None:
    plain = options.to_dict()
    assert Every.from_dict(json.loads(json.dumps(plain))) == options
    # TOML has no empty value; options take the word `none` for it.
    written = {key: "none" if value is None else value for key, value in plain.items()}
    assert Every.from_dict(tomllib.loads(tomli_w.dumps(written))) == options


@given(EVERY)
def test_options_survive_a_command_line(options: Every) -> None:
    for field in describe(Every):
        value = options.to_dict()[field.name]
        if field.kind is str and field.many:
            continue  # words may hold commas
        typed = ",".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)
        assert field.check(typed) == getattr(options, field.name), field.name


@given(SCHEDULES)
def test_a_schedule_is_its_text(text: str) -> None:
    schedule = parse_schedule(text)
    assert schedule.text == str(schedule) == text
    assert parse_schedule(schedule.text) == schedule


@pytest.mark.parametrize(
    ("text", "shape", "values", "points", "unit"),
    [
        ("linear:0..1@5000", "linear", (0, 1), (0, 5000), ""),
        ("linear:-0.5..+2e-1@3ep", "linear", (-0.5, 0.2), (0, 3), "ep"),
        ("linear:1...5@10", "linear", (1, 0.5), (0, 10), ""),
        ("cosine:4..0@50%", "cosine", (4, 0), (0, 50), "%"),
        ("cosine:4..0", "cosine", (4, 0), (0, 100), "%"),
        ("cyclic:0..1@10ep", "cyclic", (0, 1), (0, 10), "ep"),
        ("cyclic:0..1@.5ep", "cyclic", (0, 1), (0, 0.5), "ep"),
        ("steps:1e-4@0,5e-5@200ep", "steps", (1e-4, 5e-5), (0, 200), "ep"),
        ("steps:1@0ep,2@10,3@20", "steps", (1, 2, 3), (0, 10, 20), ""),
        ("steps: 1@0, 2@90%", "steps", (1, 2), (0, 90), "%"),
        ("steps:1@0", "steps", (1,), (0,), ""),
        ("one-cycle:4e-3", "one-cycle", (4e-3,), (0, 100), "%"),
        ("one-cycle:4e-3@80%", "one-cycle", (4e-3,), (0, 80), "%"),
        ("one-cycle:4e-3@900", "one-cycle", (4e-3,), (0, 900), ""),
    ],
)
def test_every_form_of_a_schedule(
    text: str, shape: str, values: tuple[float, ...], points: tuple[float, ...], unit: str
) -> None:
    schedule = parse_schedule(text)
    assert (schedule.shape, schedule.values, schedule.points, schedule.unit) == (shape, values, points, unit)


@pytest.mark.parametrize(
    "text",
    [
        *("", "linear", "linear:", "linear:0", "linear:0..", "linear:..1@5", "linear:0..1@", "linear:0..1@5steps"),
        *("linear:0..1@-5", "linear:0..1@0", "linear:0..1@101%", "linear:0,1@5", "linear:0..x@5", "linear:nan..1@5"),
        *("linear:0..1e999@5", "linear:0..1@1e999", "linear:0...@5", "Linear:0..1@5", "linear: 0..1@5", "line:0..1@5"),
        *("steps:", "steps:1", "steps:1@5", "steps:1@0,", "steps:1@0,2@10,3@5", "steps:1@0,2@10,3@10", "steps:1@0 2@5"),
        *("steps:1@0,2@10ep,3@50%", "steps:1@0,2@10,3@20ep", "steps:1@0,2@120%", "steps:0..1@5", "steps:1@0,inf@3"),
        *("one-cycle", "one-cycle:", "one-cycle:a", "one-cycle:1@0", "one-cycle:1@200%", "one-cycle:0..1@5"),
        *("one-cycle:1e999", "constant:1", "0..1@5000", "cosine:0..1@50 %", "cyclic:0..1@0ep"),
    ],
)
def test_malformed_schedules_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(ZooError) as caught:
        parse_schedule(text)
    message = str(caught.value)
    assert f"'{text}'" in message
    assert "\n" not in message
    assert ";" in message or "neither a number nor a schedule" in message, "what to do next"


@pytest.mark.parametrize(
    ("text", "step", "value"),
    [
        ("linear:0..1@5000", Step.of(2500, 0, 0), 0.5),
        ("linear:0..1@5000", Step.of(9000, 0, 0), 1.0),
        ("linear:2..0@10ep", Step.of(0, 2.5, 0), 1.5),
        ("cosine:0..1@50%", Step.of(0, 0, 0.25), 0.5),
        ("cosine:0..1", Step.of(0, 0, 1.0), 1.0),
        ("cyclic:0..1@10ep", Step.of(0, 2.5, 0), 0.5),
        ("cyclic:0..1@10ep", Step.of(0, 7.5, 0), 1.0),
        ("cyclic:0..1@10ep", Step.of(0, 12.5, 0), 0.5),
        ("steps:1e-4@0,5e-5@200ep", Step.of(0, 199.9, 0), 1e-4),
        ("steps:1e-4@0,5e-5@200ep", Step.of(0, 200, 0), 5e-5),
        ("one-cycle:1", Step.of(0, 0, 0), 1 / 25),
        ("one-cycle:1", Step.of(0, 0, 0.3), 1.0),
        ("one-cycle:1", Step.of(0, 0, 1.0), 1e-4),
    ],
)
def test_schedules_have_the_values_that_they_say(text: str, step: Step, value: float) -> None:
    assert float(at_step(parse_schedule(text), step)) == pytest.approx(value, rel=1e-3)
    assert number_at_step(parse_schedule(text), step) == pytest.approx(value, rel=1e-3)


def test_ranges_are_told_in_a_few_characters() -> None:
    known = fields(Every)
    told = {name: field.range for name, field in known.items()}
    assert told["whole"] == "1<=x<=9"
    assert told["real"] == "0<x<1"
    assert told["wide"] == told["yes"] == told["text"] == ""
    assert told["choice"] == "relu|leaky-relu|tanh"
    assert told["many"] == "x>=1"
    assert told["falling"] == "x>0"
    assert fields(TrainOptions)["seed"].range == "0<=x<=4294967295"
    assert fields(TrainOptions)["batch_size"].flag == "batch-size"


def test_a_schedule_may_touch_an_exclusive_bound_but_not_pass_it() -> None:
    assert isinstance(Every(falling="linear:1e-3..0").falling, Schedule)
    with pytest.raises(ZooError, match="falling must be above 0, got -1"):
        Every(falling="linear:1e-3..-1")


@pytest.mark.parametrize(
    "hint", [list[int], dict[str, int], int | float, tuple[int, str], tuple[int], Literal[1, 2], bytes, Any]
)
def test_types_that_no_flag_can_carry_are_refused(hint: Any) -> None:
    fields = [("x", hint, option(None, "Odd."))]
    odd = make_dataclass("Odd", fields, bases=(Options,), frozen=True, kw_only=True)
    with pytest.raises(TypeError, match=r"option 'x' has type .* which no flag can carry"):
        describe(odd)


def test_a_field_without_help_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Silent(Options):
        x: int = 3

    with pytest.raises(TypeError, match="option 'x' must be declared with option"):
        describe(Silent)


@pytest.mark.parametrize("cls", [TrainOptions, DataOptions])
def test_our_own_options_have_help_and_a_default_that_passes(cls: type[Options]) -> None:
    assert cls() == cls.from_dict(cls().to_dict())
    assert all(field.help.endswith(".") for field in describe(cls))


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("1.5h", 5400), ("20", 20), ("2 m", 120)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("values", [{"budget": "soon"}, {"budget": "0m"}, {"device": "gpu"}, {"device": "cuda:x"}])
def test_trainer_options_that_no_range_can_tell(values: dict[str, str]) -> None:
    with pytest.raises(ZooError, match=next(iter(values))):
        TrainOptions(**values)


def test_a_model_is_built_with_settings_by_their_dotted_names() -> None:
    model = zoo.build("vae", (1, 8, 8), config={"encoder.hidden": (16,), "prior.std": 2.0}, latent_dim=3)
    assert isinstance(model, zoo.LatentModel)
    assert model.prior_distribution().log_prob(torch.zeros(3)).item() == pytest.approx(-1.5 * math.log(8 * math.pi))
    assert (16, 64) in {tuple(weight.shape) for weight in model.parameters()}


def test_a_dotted_setting_that_is_unknown_builds_no_model() -> None:
    with pytest.raises(ZooError, match=r"prior\.spread"):
        zoo.build("vae", (1, 8, 8), config={"prior.spread": 2.0})

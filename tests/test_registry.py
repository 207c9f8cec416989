"""The registry: ours is valid, a user's adds to it, and settings come from where they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoo import ZooError
from zoo.catalogue import Catalogue, Source
from zoo.registry import Registry, load_registry
from zoo.schedules import parse_schedule
from zoo.settings import Layer, Settings, config_layer, resolve, split_recipe

BUNDLED = load_registry(third_party=False)
MODELS = [entry.name for entry in BUNDLED.models.entries()]
RECIPES = [f"{name}.{recipe}" for name in MODELS for recipe in BUNDLED.model(name).recipes]


def user_registry(tmp_path: Path, text: str, name: str = "mine.toml") -> Registry:
    path = tmp_path / name
    path.write_text(text)
    return load_registry(third_party=False, registry_files=[path])


def reasons(registry: Registry) -> list[str]:
    return [fault.reason for fault in registry.plugins.faults]


def flags(**values: Any) -> Layer:
    return Layer("command line", values)


def test_the_bundled_registry_has_no_faults() -> None:
    assert reasons(BUNDLED) == []
    assert len(MODELS) >= 10


@pytest.mark.parametrize("name", MODELS)
def test_every_model_resolves_and_is_described(name: str) -> None:
    model = BUNDLED.model(name)
    settings = resolve(BUNDLED, name)
    assert settings.recipe is None
    assert settings.model.parts.keys() == {role.name for role in BUNDLED.composition(model.composition).roles}
    assert model.summary.endswith(".")
    assert model.paper
    assert model.family != "other"
    assert model.status in ("ready", "verified")
    assert "tiny" in model.recipes


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_resolves(name: str) -> None:
    settings = resolve(BUNDLED, name)
    assert f"{settings.model.name}.{settings.recipe}" == name
    if settings.recipe == "tiny":
        assert settings.training.epochs == 1
        assert settings.data_options.limit is not None


def test_the_promised_recipes_are_there() -> None:
    assert {"conv-vae.blog", "linear-ae.exact", "linear-vae.exact", "vae.pytorch-example"} <= set(RECIPES)
    blog = resolve(BUNDLED, "conv-vae.blog").training
    assert (blog.epochs, blog.batch_size) == (400, 128)
    assert blog.lr == parse_schedule("steps:1e-4@0,5e-5@200ep")


MINE = """
[models.small-vae]
extends = "conv-vae"
summary = "Mine."
prior = "laplace"
options = { beta = 2.0, latent_dim = 3, encoder.channels = [4], "prior.scale" = 0.5 }
recipes.quick = { epochs = 2, beta = 3.0 }

[models.smaller-vae]
extends = "small-vae"
encoder = "mlp"
options = { latent-dim = 2 }
"""


def test_a_users_model_extends_ours(tmp_path: Path) -> None:
    registry = user_registry(tmp_path, MINE)
    assert reasons(registry) == []
    model = registry.model("small-vae")
    assert (model.summary, model.family, model.status, model.plugin) == ("Mine.", "vae", "user", "mine")
    assert {"quick", "blog", "tiny"} <= model.recipes.keys()
    options = resolve(registry, "small-vae").to_dict()["options"]
    assert options["loss.beta"] == 2.0
    assert options["posterior.latent_dim"] == 3
    assert options["encoder.channels"] == [4]
    assert options["decoder.channels"] == resolve(BUNDLED, "conv-vae").to_dict()["options"]["decoder.channels"]
    assert options["prior.scale"] == 0.5
    assert resolve(registry, "small-vae.quick").to_dict()["options"]["loss.beta"] == 3.0


def test_a_model_may_extend_one_that_extends(tmp_path: Path) -> None:
    registry = user_registry(tmp_path, MINE)
    settings = resolve(registry, "smaller-vae.quick")
    assert settings.model.parts["encoder"] == "mlp"
    assert settings.model.parts["prior"] == "laplace"
    assert settings.training.epochs == 2
    options = settings.to_dict()["options"]
    assert options["posterior.latent_dim"] == 2
    assert "encoder.channels" not in options, "the new encoder has no channels"
    assert options["loss.beta"] == 3.0


def test_zoo_toml_in_the_working_folder_is_read_unless_a_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "small-vae" not in load_registry(third_party=False).models
    (tmp_path / "zoo.toml").write_text(MINE)
    assert "small-vae" in load_registry(third_party=False).models
    (tmp_path / "other.toml").write_text('[models.other]\nextends = "ae"\n')
    (tmp_path / "third.toml").write_text('[models.third]\nextends = "other"\n')
    named = load_registry(third_party=False, registry_files=[Path("other.toml"), Path("third.toml")])
    assert "small-vae" not in named.models
    assert {"other", "third"} <= set(named.models.names())
    assert reasons(named) == []


def test_a_users_model_never_replaces_ours(tmp_path: Path) -> None:
    registry = user_registry(tmp_path, '[models.conv-vae]\nextends = "conv-vae"\noptions = { beta = 7.0 }\n')
    assert reasons(registry) == ["model 'conv-vae' is in generative-zoo 0.1.0 too; this one is 'conv-vae@mine.toml'"]
    assert resolve(registry, "conv-vae").to_dict()["options"]["loss.beta"] == 0.11
    settings = resolve(registry, "conv-vae@mine.toml.tiny")
    assert settings.to_dict()["options"]["loss.beta"] == 7.0
    assert (settings.model.name, settings.recipe) == ("conv-vae@mine.toml", "tiny")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[models.x\n", "mine.toml is no TOML: TOMLDecodeError"),
        (b"\xff\xfe[models.x]", "mine.toml is no TOML: UnicodeDecodeError"),
        (None, "mine.toml: No such file or directory"),
    ],
)
def test_a_file_that_is_no_registry_ends_the_command(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ZooError, match=words) as caught:
        load_registry(third_party=False, registry_files=[path])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[model.x]\n", "unknown table 'model'; did you mean 'models'?; models are in [models.NAME]"),
        ("[models]\nx = 3\n", "model 'x': [models.x] must be a table"),
        ("[models.X]\nextends = 'ae'\n", "model 'X': names are lower-case words with dashes"),
        ("[models.'a.b']\nextends = 'ae'\n", "names are lower-case words with dashes"),
        ("[models.'a@b']\nextends = 'ae'\n", "names are lower-case words with dashes"),
        ("[models.x]\nextends = 'conv-vea'\n", "unknown model 'conv-vea'; did you mean 'conv-vae'?"),
        ("[models.x]\nextends = 'x'\n", "model 'x': unknown model 'x'"),
        ("[models.x]\nextends = 'ae'\nencodr = 'mlp'\n", "unknown key 'encodr'; did you mean 'encoder'?"),
        ("[models.x]\nextends = 'ae'\nencoder = 'mlpp'\n", "unknown encoder 'mlpp'; did you mean 'mlp'?"),
        ("[models.x]\nextends = 'ae'\nencoder = 3\n", "'encoder' must be text, got 3"),
        ("[models.x]\nextends = 'ae'\nsummary = ['a']\n", "'summary' must be text, got ['a']"),
        ("[models.x]\nextends = 'ae'\noptions = 3\n", "'options' must be a table, got 3"),
        ("[models.x]\nextends = 'ae'\nrecipes = { tiny = 3 }\n", "'recipes.tiny' must be a table, got 3"),
        ("[models.x]\nextends = 'ae'\nverified = { mnist = 3 }\n", "'verified.mnist' must be a table, got 3"),
        ("[models.x]\nextends = 3\n", "'extends' must be text, got 3"),
        ("[models.x]\nmodel = 'gan'\n", "unknown composition 'gan' (there are autoencoder)"),
        ("[models.x]\nencoder = 'mlp'\n", 'it names no posterior; add posterior = "..." to its table'),
        ("[models.a]\nextends = 'b'\n[models.b]\nextends = 'a'\n", "model 'a': extends itself through 'a'"),
    ],
)
def test_a_wrong_model_costs_one_line_and_nothing_else(tmp_path: Path, text: str, words: str) -> None:
    registry = user_registry(tmp_path, f'{text}\n[models.good]\nextends = "ae"\n')
    assert any(words in reason for reason in reasons(registry)), reasons(registry)
    assert len(reasons(registry)) == text.count("[models.a]") + 1
    assert all("\n" not in reason for reason in reasons(registry))
    assert resolve(registry, "good").model.parts["encoder"] == "conv"


def test_models_that_are_no_table_cost_one_line(tmp_path: Path) -> None:
    assert reasons(user_registry(tmp_path, "models = 3\n")) == ["'models' must be a table; write [models.NAME]"]


def test_a_long_circle_is_found(tmp_path: Path) -> None:
    text = "".join(f"[models.m{i}]\nextends = 'm{(i + 1) % 4}'\n" for i in range(4))
    registry = user_registry(tmp_path, text)
    assert len(reasons(registry)) == 4
    assert all("extends itself through" in reason for reason in reasons(registry))


@pytest.mark.parametrize(
    ("table", "name", "words"),
    [
        ("options = { bta = 1 }", "x", "registry, model x: unknown option 'bta'; did you mean 'beta'?"),
        ("options = { beta = -1 }", "x", "registry, model x: beta must be at least 0, got -1"),
        ("options = { beta = 'much' }", "x", "registry, model x: beta: 'much' is neither a number nor a schedule"),
        ("options = { kernel = 3 }", "x", "'kernel' is ambiguous; write --encoder.kernel or --decoder.kernel"),
        ("recipes.r = { epochs = 0 }", "x.r", "recipe x.r: epochs must be at least 1, got 0"),
        ("recipes.r = { epoch = 3 }", "x.r", "recipe x.r: unknown option 'epoch'; did you mean 'epochs'?"),
        ("recipes.r = { prior = 'gama' }", "x.r", "unknown prior 'gama'; did you mean 'gamma'?"),
        ("recipes.r = { encoder = { kernl = 3 } }", "x.r", "unknown option 'encoder.kernl'"),
        ("recipes.r = {}", "x.s", "model 'x' has no recipe 's' (it has"),
    ],
)
def test_what_is_wrong_in_a_table_is_told_with_its_place(tmp_path: Path, table: str, name: str, words: str) -> None:
    registry = user_registry(tmp_path, f"[models.x]\nextends = 'conv-vae'\n{table}\n")
    assert reasons(registry) == []
    with pytest.raises(ZooError) as caught:
        resolve(registry, name)
    assert words in str(caught.value)


def test_flag_beats_config_beats_recipe_beats_registry_beats_default(tmp_path: Path) -> None:
    table = "extends = 'vae'\noptions = { beta = 2.0, batch_size = 20 }\nrecipes.r = { beta = 3.0, batch_size = 30 }"
    registry = user_registry(tmp_path, f"[models.x]\n{table}\n")
    config = tmp_path / "config.toml"
    config.write_text('model = "x"\n[options]\n"loss.beta" = 4.0\n[training]\nbatch_size = 40\n')
    named, layer = config_layer(config)
    typed = Layer("command line", {"beta": "5.0", "batch_size": "50"})

    def found(name: str, *layers: Layer) -> tuple[float, int]:
        settings = resolve(registry, name, layers)
        return settings.to_dict()["options"]["loss.beta"], settings.training.batch_size

    assert named == "x"
    assert found("vae") == (1.0, 128)
    assert found("x") == (2.0, 20)
    assert found("x.r") == (3.0, 30)
    assert found("x.r", layer) == (4.0, 40)
    assert found("x.r", layer, typed) == (5.0, 50)


def test_a_config_may_be_written_by_hand(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        'model = "vae"\nbeta = 2.0\nprior = "laplace"\nepochs = 3\ndata = "glyphs"\n[encoder]\nhidden = [7]\n'
    )
    named, layer = config_layer(config)
    settings = resolve(BUNDLED, str(named), [layer])
    assert (settings.training.epochs, settings.data, settings.data_asked) == (3, "glyphs", True)
    assert settings.model.parts["prior"] == "laplace"
    options = settings.to_dict()["options"]
    assert (options["loss.beta"], options["encoder.hidden"]) == (2.0, [7])


@pytest.mark.parametrize("content", ["beta = [", "beta = 3\nbeta = 4"])
def test_a_config_that_is_no_toml(tmp_path: Path, content: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(content)
    with pytest.raises(ZooError, match=r"--config .*config.toml is no TOML"):
        config_layer(config)
    with pytest.raises(ZooError, match=r"--config .*nothing.toml: No such file"):
        config_layer(tmp_path / "nothing.toml")


@pytest.mark.parametrize(
    ("swap", "kept", "gone"),
    [
        ({"prior": "laplace", "prior.scale": "2"}, {"prior.mean": 1.5, "prior.scale": 2.0}, "prior.std"),
        ({"prior": "gamma", "posterior": "gamma"}, {"posterior.latent_dim": 7}, "prior.mean"),
        ({"encoder": "mlp"}, {"decoder.channels": [8, 16], "loss.beta": 0.5}, "encoder.channels"),
        ({"likelihood": "bernoulli"}, {"loss.beta": 0.5}, "likelihood.squash"),
        ({"likelihood": "gaussian"}, {"likelihood.squash": "identity"}, "likelihood.scale"),
        ({"loss": "reconstruction"}, {"posterior.latent_dim": 7}, "loss.beta"),
    ],
)
def test_a_swapped_part_keeps_the_options_that_it_shares(swap: dict[str, Any], kept: dict[str, Any], gone: str) -> None:
    before = {"mean": 1.5, "std": 2.0, "latent_dim": 7, "beta": 0.5, "squash": "identity"}
    settings = resolve(BUNDLED, "conv-vae.tiny", [Layer("config", before), Layer("command line", swap)])
    options = settings.to_dict()["options"]
    assert {name: options[name] for name in kept} == kept
    assert gone not in options


def test_an_option_of_a_part_that_is_not_there_is_unknown() -> None:
    with pytest.raises(ZooError, match=r"command line: unknown option 'encoder.channels'"):
        resolve(BUNDLED, "conv-vae", [Layer("command line", {"encoder": "linear", "encoder.channels": "8"})])


@pytest.mark.parametrize("name", ["latent_dim", "latent-dim", "posterior.latent_dim", "posterior.latent-dim"])
def test_names_are_flat_or_dotted_with_dashes_or_underscores(name: str) -> None:
    settings = resolve(BUNDLED, "vae", [Layer("command line", {name: "3"})])
    assert settings.to_dict()["options"]["posterior.latent_dim"] == 3


def test_a_flat_name_becomes_ambiguous_with_the_parts() -> None:
    assert resolve(BUNDLED, "conv-vae", [flags(decoder="linear", kernel=3)]).to_dict()["options"]["encoder.kernel"] == 3
    with pytest.raises(ZooError, match=r"'kernel' is ambiguous; write --encoder.kernel or --decoder.kernel"):
        resolve(BUNDLED, "conv-vae", [flags(kernel=3)])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"bta": 1}, "unknown option 'bta'; did you mean 'beta'?"),
        ({"epoch": 1}, "unknown option 'epoch'; did you mean 'epochs'?"),
        ({"encoder.kernal": 1}, "unknown option 'encoder.kernal'; did you mean 'encoder.kernel'?"),
        ({"prior": "gama"}, "unknown prior 'gama'; did you mean 'gamma'?"),
        ({"loss": "nothing"}, "unknown loss 'nothing' (there are "),
        ({"data": "mnits"}, "unknown data set 'mnits'; did you mean 'mnist'?"),
        ({"epochs": 0}, "command line: epochs must be at least 1, got 0"),
        ({"encoder.hidden": {"a": 1}}, "command line: hidden must be a whole number"),
        ({"prior.std": "linear:0..1@5"}, "it takes a number, no schedule"),
        ({"budget": "soon"}, "budget must be a time such as 90s, 5m or 2h, got 'soon'"),
    ],
)
def test_wrong_settings_are_told_with_the_nearest(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ZooError) as caught:
        resolve(BUNDLED, "conv-vae", [Layer("command line", values)])
    assert words in str(caught.value)


def test_settings_survive_their_tables(tmp_path: Path) -> None:
    first = resolve(BUNDLED, "conv-vae.blog", [flags(prior="laplace", beta="linear:0..1@50%", data="glyphs", clip=1)])
    config = Layer("config", _flattened(first))
    again = resolve(BUNDLED, "conv-vae", [config])
    assert again.to_dict() == first.to_dict()


def _flattened(settings: Settings) -> dict[str, Any]:
    tables = settings.to_dict()
    tables.pop("model")
    tables.pop("composition")
    return {**tables.pop("parts"), **tables.pop("options"), **tables.pop("images"), **tables.pop("training"), **tables}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("vae", ("vae", None)),
        ("vae.tiny", ("vae", "tiny")),
        ("vae.none", ("vae", "none")),
        ("vae@generative-zoo", ("vae@generative-zoo", None)),
        ("vae@Generative_Zoo.tiny", ("vae@Generative_Zoo", "tiny")),
        ("vea.tiny", ("vea", "tiny")),
        ("vae.", ("vae", None)),
    ],
)
def test_a_name_is_a_model_and_perhaps_a_recipe(name: str, found: tuple[str, str | None]) -> None:
    assert split_recipe(BUNDLED, name) == found


OURS, ONE, TWO = (Source(name, "1.0", "p") for name in ("generative-zoo", "Their_Dist", "other.dist"))


def test_names_that_several_provide() -> None:
    catalogue: Catalogue[str] = Catalogue("thing")
    assert catalogue.add("a", "one", ONE) is None
    assert catalogue.find("a").item == catalogue.find("a@their-dist").item == "one"
    assert catalogue.add("a", "again", ONE) == "thing 'a' is declared twice by Their_Dist 1.0; the first one stays"
    assert catalogue.add("a", "two", TWO) == "thing 'a' is in Their_Dist 1.0 too; this one is 'a@other.dist'"
    assert catalogue.names() == ["a@Their_Dist", "a@other.dist"]
    assert "a" not in catalogue
    with pytest.raises(ZooError, match=r"provided more than once; write 'a@Their_Dist' or 'a@other\.dist'"):
        catalogue.find("a")
    assert catalogue.find("a@other-dist").item == "two"
    assert catalogue.spelling("a", "their.dist") == "a@Their_Dist"
    catalogue.add("a", "ours", OURS)
    assert catalogue.find("a").item == "ours"
    assert catalogue.spelling("a", "generative-zoo") == "a"
    assert catalogue.spelling("a@Their_Dist", "their-dist") == "a@Their_Dist"
    assert catalogue.spelling("a", "nobody") is None
    assert catalogue.spelling("b", "their-dist") is None
    assert "a@nobody" not in catalogue

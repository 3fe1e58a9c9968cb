"""The declaration's file, and what the environment offers without one."""

from pathlib import Path

import pytest

from pepperpy_provider_svc.declared.models import Declaration
from pepperpy_provider_svc.declared.reading import key_variables, read_declaration
from pepperpy_schemas.errors import BadConfig

WHOLE = """
[providers.openai]
kind = "openai"
keys = [
  {name = "main", env = "OPENAI_API_KEY", requests_per_minute = 500},
  {name = "spare", file = "keys/spare"},
]

[providers.cheap]
kind = "scripted"
script = "answers.yaml"

[models.default]
targets = ["openai/gpt-5-mini", {model = "cheap/any", weight = 2.5}]
routing = "latency"
timeouts = {first_token = "3s", total = "2m"}
cache_ttl = "1h"

[tenants.support]
principals = ["worker"]
models = ["default", "openai/*"]
usd_per_month = 50

[prices."cheap/any"]
input = 0.5
output = 1

[guards]
max_request = "1MiB"
"""


def declared(folder: Path, text: str) -> Declaration:
    (folder / "models.toml").write_text(text)
    return read_declaration(folder / "models.toml", {})


def test_a_whole_file_is_read_with_durations_sizes_and_short_targets(tmp_path: Path) -> None:
    found = declared(tmp_path, WHOLE)
    assert [t.model for t in found.models["default"].targets] == ["openai/gpt-5-mini", "cheap/any"]
    assert found.models["default"].targets[1].weight == 2.5
    assert found.models["default"].timeouts.first_token == 3.0
    assert found.models["default"].timeouts.total == 120.0
    assert found.models["default"].cache_ttl == 3600.0
    assert found.guards.max_request == 1 << 20
    assert found.tenants["support"].usd_per_month == 50


def test_paths_are_taken_from_the_files_folder(tmp_path: Path) -> None:
    found = declared(tmp_path, WHOLE)
    assert found.providers["openai"].keys[1].file == tmp_path / "keys/spare"
    assert found.providers["cheap"].script == tmp_path / "answers.yaml"


def test_only_the_variables_of_keys_are_withheld_from_others(tmp_path: Path) -> None:
    assert key_variables(declared(tmp_path, WHOLE)) == {"OPENAI_API_KEY", "OPENAI_API_KEY_FILE"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('kind = "openai"', 'kind = "openal"'), r"providers\.openai\.kind = 'openal'"),
        (("cheap/any", "chaep/any"), r"models\.default: chaep/any has no provider 'chaep'"),
        (('env = "OPENAI_API_KEY", ', ""), "give env or file, one of them"),
        (('name = "spare"', 'name = "main"'), "two keys have the same name"),
        (('script = "answers.yaml"', ""), "a scripted provider needs script"),
        (('kind = "openai"', 'kind = "openai"\nscript = "x"'), "script and record belong to kind"),
        (('kind = "openai"', 'kind = "openai"\nmodel = "x.gguf"'), "model belongs to kind local"),
        (("usd_per_month = 50", "usd_per_moth = 50"), r"tenants\.support\.usd_per_moth = 50"),
        (('"3s"', '"soon"'), r"models\.default\.timeouts\.first_token = 'soon'"),
        (("requests_per_minute = 500", "requests_per_minute = 0"), r"requests_per_minute"),
        (
            ('script = "answers.yaml"', 'script = "a.yaml"\nrecord = "nobody/model"'),
            r"providers\.cheap\.record: nobody/model has no provider",
        ),
        (
            ('script = "answers.yaml"', 'script = "a.yaml"\nrecord = "cheap/any"'),
            "cheap/any records another one itself",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_place(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    with pytest.raises(BadConfig, match=words):
        declared(tmp_path, WHOLE.replace(*change, 1))


def test_a_key_that_was_written_into_the_file_is_refused_and_not_shown(tmp_path: Path) -> None:
    text = WHOLE.replace('env = "OPENAI_API_KEY"', 'secret = "sk-very-secret"')
    with pytest.raises(BadConfig) as caught:
        declared(tmp_path, text)
    assert "providers.openai.keys" in caught.value.message
    assert "sk-very-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"), [("[providers", "is not TOML"), (None, "cannot be read: No such file")]
)
def test_a_file_that_cannot_be_read_says_so(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "models.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadConfig, match=words):
        read_declaration(path, {})


def test_both_keys_of_the_environment_make_one_alias_with_a_fallback() -> None:
    found = read_declaration(None, {"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b"})
    assert [t.model.partition("/")[0] for t in found.models["default"].targets] == [
        "openai",
        "anthropic",
    ]
    assert found.models["embedding"].targets[0].model.startswith("openai/")


def test_another_address_in_the_environment_is_the_providers() -> None:
    found = read_declaration(None, {"OPENAI_API_KEY": "a", "OPENAI_BASE_URL": "http://here/v1"})
    assert found.providers["openai"].base_url == "http://here/v1"


@pytest.mark.parametrize(
    "url", ["http://[bad", "http://h:port/v1", "api.example.org/v1", "ftp://h", "http:///v1"]
)
def test_an_address_that_is_none_is_named(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadConfig, match=r"providers\.p\.base_url"):
        declared(tmp_path, f'[providers.p]\nkind = "openai"\nbase_url = "{url}"\n')
    with pytest.raises(BadConfig, match=r"the environment: providers\.openai\.base_url"):
        read_declaration(None, {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": url})


def test_without_any_key_a_model_of_this_machine_answers() -> None:
    found = read_declaration(None, {})
    assert found.providers["local"].kind == "local"
    assert [t.model for t in found.models["default"].targets] == ["local/smollm2-135m"]


def test_a_mounted_file_counts_as_a_key_only_when_it_has_one(tmp_path: Path) -> None:
    key = tmp_path / "openai-key"
    key.write_text("")
    environ = {"OPENAI_API_KEY_FILE": str(key)}
    assert set(read_declaration(None, environ).providers) == {"local"}
    key.write_text("sk-7")
    assert set(read_declaration(None, environ).providers) == {"openai"}


def test_a_file_of_a_key_that_is_missing_is_not_passed_over(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY_FILE": str(tmp_path / "gone")}
    assert set(read_declaration(None, environ).providers) == {"openai"}

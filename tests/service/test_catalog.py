"""The catalog: the built-in one, what a file may add, and how its mistakes are told."""

import tomllib
from collections import Counter

import pytest

from service.catalog import BUILT_IN, CatalogError, load_catalog

GOOD = {
    "description": '"A model."',
    "checkpoint": '"someone/model"',
    "max_prompt_tokens": "300",
    "max_completion_tokens": "200",
    "context_window": "400",
    "default_max_tokens": "100",
    "default_max_tokens_streamed": "150",
}


def write(folder, model_id="@test/model", **changes):
    """A catalog file with one model; a change to None leaves its key out."""
    keys = {key: value for key, value in (GOOD | changes).items() if value is not None}
    path = folder / "mine.toml"
    path.write_text(f'[models."{model_id}"]\n' + "\n".join(f"{key} = {value}" for key, value in keys.items()))
    return path


def test_the_built_in_catalog_has_the_demo_and_the_five_models():
    limits = {
        model.id: (
            *(model.max_prompt_tokens, model.max_completion_tokens, model.context_window),
            *(model.default_max_tokens, model.default_max_tokens_streamed),
        )
        for model in list(load_catalog().values())[:6]
    }
    assert limits == {
        "@runstream/demo": (1024, 1024, 1024, 256, 256),
        "@cf/meta/llama-2-7b-chat-fp16": (3072, 2500, 4096, 256, 2500),
        "@cf/meta/llama-2-7b-chat-int8": (2048, 1800, 4096, 256, 1800),
        "@cf/mistral/mistral-7b-instruct-v0.1": (3072, 1800, 8192, 256, 1800),
        "@hf/thebloke/codellama-7b-instruct-awq": (4096, 2048, 16384, 256, 596),
        "@cf/meta/llama-3.1-8b-instruct": (7968, 7968, 7968, 256, 256),
    }


def test_the_built_in_catalogs_name_each_model_of_workers_ai_once():
    named = Counter(name for path in BUILT_IN for name in tomllib.loads(path.read_text())["models"])
    assert set(named.values()) == {1}
    assert named.keys() == load_catalog().keys()
    assert len(named) == 78


def test_a_model_that_can_not_be_served_here_says_why_and_the_others_have_a_checkpoint():
    models = load_catalog().values()
    assert all(model.checkpoint and model.architecture for model in models if not model.not_servable)
    assert {model.id for model in models if not model.generates_text} == {
        f"@cf/cloudflare/{name}" for name in ("clef", "clef-flash", "clef-omni")
    }


def test_what_a_file_leaves_out_is_the_window_and_the_defaults_of_the_shape(tmp_path):
    limits = dict.fromkeys(key for key in GOOD if "tokens" in key)
    native, chat = (
        load_catalog(write(tmp_path, **limits, answer_shape=f'"{shape}"'))["@test/model"]
        for shape in ("native", "chat")
    )
    assert (native.max_prompt_tokens, native.max_completion_tokens) == (400, 400)
    assert (native.default_max_tokens, native.default_max_tokens_streamed, native.default_temperature) == (
        256,
        256,
        0.6,
    )
    assert (chat.default_max_tokens, chat.default_max_tokens_streamed, chat.default_temperature) == (400, 400, 1.0)


def test_a_model_is_replaced_by_one_that_is_there(tmp_path):
    assert load_catalog()["@cf/moonshotai/kimi-k2.5"].replaced_by == "@cf/moonshotai/kimi-k2.6"
    with pytest.raises(CatalogError, match="replaced_by: is '@test/other'; expected a model that no other replaces"):
        load_catalog(write(tmp_path, replaced_by='"@test/other"'))


def test_a_file_adds_its_models_behind_the_built_in_ones(tmp_path):
    catalog = load_catalog(write(tmp_path))
    assert list(catalog)[-1] == "@test/model"
    assert catalog["@test/model"].dtype == "auto"


def test_a_file_replaces_a_built_in_model(tmp_path):
    catalog = load_catalog(write(tmp_path, "@runstream/demo"))
    assert catalog["@runstream/demo"].checkpoint == "someone/model"


def test_a_path_is_relative_to_the_catalog_that_has_it(tmp_path):
    catalog = load_catalog(write(tmp_path, checkpoint='"./weights"'))
    assert catalog["@test/model"].checkpoint == str(tmp_path / "weights")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_prompt_tokens": '"many"'}, "max_prompt_tokens: is 'many'; expected an integer of at least 1"),
        ({"max_prompt_tokens": "true"}, "max_prompt_tokens: is True; expected an integer of at least 1"),
        ({"max_prompt_tokens": "0"}, "max_prompt_tokens: is 0; expected an integer of at least 1"),
        ({"max_prompt_tokens": "500"}, "max_prompt_tokens: is 500; expected at most context_window, 400"),
        ({"default_max_tokens": "250"}, "default_max_tokens: is 250; expected at most max_completion_tokens, 200"),
        ({"description": None}, "description: is missing; expected a string"),
        ({"max_tokens": "5"}, "max_tokens: is not known; expected one of description, checkpoint"),
        ({"dtype": '"float33"'}, "dtype: is 'float33'; expected one of 'auto', 'float16'"),
        (
            {"tool_call_format": '"xml"'},
            "tool_call_format: is 'xml'; expected one of '', 'llama3_json', 'hermes', 'mistral', 'pythonic'",
        ),
        ({"download_mib": "0"}, "download_mib: is 0; expected an integer of at least 1"),
        ({"revision": '""'}, "revision: is ''; expected a commit, a tag or a branch"),
        ({"checkpoint": '"./here"', "revision": '"v1"'}, "revision: is 'v1'; expected none, as the checkpoint is a"),
        ({"checkpoint": '"a/b/c"'}, "checkpoint: is 'a/b/c'; expected a hub id (owner/name), or a folder or GGUF"),
        ({"default_temperature": "6"}, "default_temperature: is 6; expected a number from 0 to 5"),
        ({"answer_shape": '"other"'}, "answer_shape: is 'other'; expected one of 'native', 'completion', 'chat'"),
        ({"answer_shape": '"decision"'}, "not_servable: is missing; expected why"),
        ({"properties": '"beta"'}, "properties: is 'beta'; expected an array of strings"),
        ({"properties": '["fast"]'}, "properties: is 'fast'; expected one of 'function_calling', 'reasoning'"),
        ({"retired": '"May"'}, "retired: is 'May'; expected a day as YYYY-MM-DD"),
        ({"checkpoint": None}, "checkpoint: is missing; expected a hub id"),
        ({"quantization": '"int3"'}, "quantization: is 'int3'; expected one of '', 'int8', 'awq', 'gptq'"),
    ],
)
def test_a_mistake_names_the_file_the_key_and_what_is_expected(tmp_path, changes, message):
    path = write(tmp_path, **changes)
    with pytest.raises(CatalogError) as caught:
        load_catalog(path)
    assert str(caught.value).startswith(f'{path}: models."@test/model".{message}')


def test_a_chat_template_that_is_not_there_is_told_by_its_path(tmp_path):
    path = write(tmp_path, chat_template='"./mine.jinja"')
    with pytest.raises(CatalogError, match=f"chat_template: is '{tmp_path}/mine.jinja'; expected a file that is there"):
        load_catalog(path)


def test_each_of_the_five_models_has_a_licence_a_template_and_its_sizes():
    models = list(load_catalog().values())[1:6]
    assert all(model.license and model.chat_template and model.download_mib and model.memory_mib for model in models)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[models", "is not TOML"),
        ("[model.x]", "model: is not known"),
        ("models = 3", "models: expected tables"),
        ("[models]\nx = 3", 'models."x": expected a table'),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(CatalogError, match=f"{path}: {message}"):
        load_catalog(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CatalogError, match="can't be read: No such file"):
        load_catalog(tmp_path / "none.toml")

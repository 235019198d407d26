"""LoRA adapters in catalogs and on the command line: each is a model that has all but its name from its base."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from service.__main__ import main
from service.catalog import CatalogError
from service.catalog_adapters import CatalogAdapter, load_catalog_with_adapters, parse_module

BASE = "@runstream/demo"


def written(folder: Path, text: str) -> Path:
    path = folder / "catalog.toml"
    path.write_text(text)
    return path


def test_a_table_describes_one(tmp_path: Path) -> None:
    path = written(tmp_path, f'[adapters."team/sql"]\nbase = "{BASE}"\npath = "./sql"\ndescription = "Writes SQL."\n')
    catalog = load_catalog_with_adapters(path)
    adapter, base = catalog["team/sql"], catalog[BASE]
    assert (adapter.parent, adapter.adapter, adapter.description) == (BASE, str(tmp_path / "sql"), "Writes SQL.")
    assert (adapter.checkpoint, adapter.context_window) == (base.checkpoint, base.context_window)
    assert base.parent == ""


def test_the_command_lines_count_more_than_a_catalogs(tmp_path: Path) -> None:
    path = written(tmp_path, f'[adapters.sql]\nbase = "{BASE}"\npath = "./old"\n')
    catalog = load_catalog_with_adapters(path, others=[CatalogAdapter("sql", tmp_path / "new", BASE)])
    assert catalog["sql"].adapter == str(tmp_path / "new")
    assert catalog["sql"].description == f"A LoRA adapter of {BASE}."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[adapters]\nsql = 5", 'adapters."sql": expected a table'),
        ("adapters = 5", "adapters: expected tables"),
        ('[adapters.sql]\nbase = "x"', 'adapters."sql".path: is missing'),
        ('[adapters.sql]\npath = "x"', 'adapters."sql".base: is missing'),
        ('[adapters.sql]\nbase = "x"\npath = 5', 'adapters."sql".path: is 5; expected a string'),
        ('[adapters.sql]\nrank = "x"', 'adapters."sql".rank: is not known; expected one of base, path, description'),
        ('[adapters.sql]\nbase = "@no/such"\npath = "x"', "the base is '@no/such'; expected a model that no other"),
        (f'[adapters."a b"]\nbase = "{BASE}"\npath = "x"', "the adapter's name is 'a b'; expected 1 to 128 letters"),
        (f'[adapters."{BASE}"]\nbase = "{BASE}"\npath = "x"', f"there is a model '{BASE}' already"),
        (
            f'[adapters.a]\nbase = "{BASE}"\npath = "x"\n[adapters.b]\nbase = "a"\npath = "x"',
            "the base is 'a'; expected a model that no other replaces",
        ),
        (f'[models."{BASE}"]\nparent = "x"', "parent: is not known"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(CatalogError) as caught:
        load_catalog_with_adapters(written(tmp_path, text))
    assert str(tmp_path / "catalog.toml") in str(caught.value)
    assert told in str(caught.value)


def test_a_module_is_told_as_vllm_takes_it(tmp_path: Path) -> None:
    assert parse_module(f"sql={tmp_path}=1") == CatalogAdapter("sql", Path(f"{tmp_path}=1"), "")
    told = f'{{"name": "sql", "path": "{tmp_path}", "base_model_name": "{BASE}"}}'
    assert parse_module(told) == CatalogAdapter("sql", tmp_path, BASE)


@pytest.mark.parametrize(
    "value", ["sql", "sql=", '{"name": "sql"}', '{"name": "sql", "path": 5}', "{", '{"lora": "x"}']
)
def test_what_is_none_is_refused_with_how_to_write_it(value: str) -> None:
    done = CliRunner().invoke(main, ["--lora-modules", value])
    assert done.exit_code == 2
    assert "write NAME=PATH, or" in done.output


def test_an_adapter_of_nothing_ends_the_start(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--lora-modules", f"@bad name={tmp_path}", "--metrics-port", "0", "--port", "0"])
    assert done.exit_code == 1
    assert "the adapter's name is '@bad name'" in done.output

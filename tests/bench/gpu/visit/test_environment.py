"""Packages that are missing are told of, with who needs them."""

from bench.gpu.visit.environment import importable


def test_what_can_be_imported_has_a_version_and_what_can_not_a_reason() -> None:
    found = importable({"engine": ("torch", "json"), "others": ("no_such_module",)})
    assert found["versions"]["torch"].startswith("torch 2.")
    assert found["versions"]["json"] == "there"
    assert found["missing"] == {"others": {"no_such_module": "ModuleNotFoundError: No module named 'no_such_module'"}}

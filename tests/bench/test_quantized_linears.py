"""The benchmark of products with packed weights runs, on a tiny layer."""

import json
from pathlib import Path

import pytest
import torch

from bench.quantized_linears import main


@pytest.mark.skipif(torch.cuda.is_available(), reason="with CUDA, Triton does not compute on a CPU")
def test_every_way_to_multiply_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--tiny", "--device", "cpu", "--json", str(tmp_path / "found.json")])
    products = json.loads((tmp_path / "found.json").read_text())["products"]
    assert [(product["format"], product["rows"]) for product in products] == [
        (kind, rows) for kind in ("int8", "int4") for rows in (1, 2, 128)
    ]
    for product in products:
        ways = {"unpacked", "PyTorch's kernel", "plain weights"} | ({"kernel"} if product["rows"] <= 64 else set())
        assert product["times_ms"].keys() == ways
        assert min(product["times_ms"].values()) > 0
    assert "| tiny | 64 x 256 | int4 | 128 |" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="it would measure")
def test_without_a_gpu_it_says_so() -> None:
    with pytest.raises(SystemExit, match=r"there is no cuda: .* --tiny --device cpu"):
        main([])

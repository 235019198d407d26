"""Tells as JSON which CUDA devices PyTorch sees, for `--device auto`: the service itself loads no torch.

Runs as `python -m service.engine.process.cuda_devices`.
"""

import json
from typing import Any

import torch


def seen() -> dict[str, Any]:
    """The devices with their free memory, or the problem."""
    if torch.version.cuda is None:
        return {"problem": f"PyTorch {torch.__version__} here is built without CUDA", "devices": []}
    if not torch.cuda.is_available():
        return {"problem": f"PyTorch {torch.__version__} sees no GPU", "devices": []}
    devices = [
        {
            "name": f"cuda:{index}",
            "card": torch.cuda.get_device_name(index),
            "free_bytes": torch.cuda.mem_get_info(index)[0],
        }
        for index in range(torch.cuda.device_count())
    ]
    return {"problem": "", "devices": devices}


if __name__ == "__main__":
    print(json.dumps(seen()))

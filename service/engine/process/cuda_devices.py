"""Tells as JSON which CUDA devices PyTorch sees, for `--device auto`: the service itself loads no torch.

Runs as `python -m service.engine.process.cuda_devices`.
"""

import json

from service.engine.device import cuda_devices_seen

if __name__ == "__main__":
    print(json.dumps(cuda_devices_seen()))

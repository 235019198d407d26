"""The device that a process computes on."""

import torch


class NoDeviceError(Exception):
    """The device that the engine is to run on is not there."""


def use_device(device: str) -> None:
    """Makes a CUDA device this process's own: there Triton's kernels run and graphs are captured, whatever they get.

    Raises:
        NoDeviceError: It is not there.
    """
    if not device.startswith("cuda"):
        return
    index, num_devices = torch.device(device).index or 0, torch.cuda.device_count()
    if index >= num_devices:
        raise NoDeviceError(
            f"there is no {device}: PyTorch {torch.__version__} sees {num_devices} CUDA devices here; nvidia-smi shows "
            "those that the driver has"
        )
    torch.cuda.set_device(index)

"""The loaded library: its functions with the types of their arguments."""

import ctypes
import functools
import logging
from ctypes import c_int32, c_int64, c_void_p
from pathlib import Path

from service.engine.native.build import BuildError, build

_log = logging.getLogger(__name__)


class Fields(ctypes.Structure):
    """`struct Matrix` of src/matrix.h, which tells what each field is."""

    _fields_ = (
        ("format", c_int32),
        ("bits", c_int32),
        ("outputs", c_int64),
        ("inputs", c_int64),
        ("group_size", c_int64),
        ("panels", c_void_p),
        ("scales", c_void_p),
        ("zeros", c_void_p),
        ("bias", c_void_p),
        ("order", c_void_p),
        ("has_half_scales", c_int32),
        ("zero_type", c_int32),
    )


_ARGUMENTS = {
    "runstream_pack": (c_void_p, c_void_p, c_int64, c_int64, c_int32),
    "runstream_pack_codes": (c_void_p, c_void_p, c_void_p, c_void_p, c_int32),
    "runstream_take_outputs": (c_void_p, c_void_p, c_int64, c_void_p, c_int32),
    "runstream_decode": (c_void_p, c_void_p),
    "runstream_workspace_bytes": (c_void_p,),
    "runstream_multiply": (c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_int64, c_int32),
}


class Library:
    """The functions of a built library. Arguments are addresses and numbers, as the headers in src/ tell.

    Args:
        path: Its file.

    Raises:
        OSError: It can't be loaded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        functions = ctypes.CDLL(str(path))
        for name, types in _ARGUMENTS.items():
            function = getattr(functions, name)
            function.argtypes, function.restype = types, None
        self.pack = functions.runstream_pack
        self.pack_codes = functions.runstream_pack_codes
        self.take_outputs = functions.runstream_take_outputs
        self.multiply = functions.runstream_multiply
        self.decode = functions.runstream_decode
        self.workspace_bytes = functions.runstream_workspace_bytes
        self.decoder_layout = functions.runstream_decoder_layout
        self.take_outputs.restype = c_int32
        self.workspace_bytes.restype = self.decoder_layout.restype = c_int64
        functions.runstream_matrix_bytes.restype = c_int64
        if functions.runstream_matrix_bytes() != ctypes.sizeof(Fields):
            raise OSError(f"{path} is of other sources")
        self.has_bfloat16_dot = bool(functions.runstream_has_bfloat16_dot())


@functools.cache
def native_library() -> Library | None:
    """The library for this processor, built at the first call; None where that fails, and the log tells why."""
    try:
        return Library(build())
    except (BuildError, OSError) as error:
        _log.warning("products are PyTorch's, without compiled code of our own: %s", error)
        return None

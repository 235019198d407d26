"""Imports without what one CPU never runs, which take half of the time in which an engine starts.

torch imports its exporter, and meta kernels in Python that bring sympy along to tell symbols from numbers. It has most
of these in C++, too. transformers marks functions for `torch.compile`, knows of tensors that several processes share,
and of accelerate's way to spread a model over devices. So a load imports torch._dynamo, torch.distributed.tensor and
Triton.
"""

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")

_LEFT_OUT = ("torch.export", "torch._meta_registrations")
_NEEDED = ("torch._prims.rng_prims",)
"""What torch needs for a Generator, and else gets by what is left out."""

_QUESTIONS = ("is_torch_distributed_available", "is_accelerate_available")
_LISTING = "define_import_structure"
_DYNAMO = "torch._dynamo"
_TRACING = "torch._dynamo._trace_wrapped_higher_order_op"


def import_quickly() -> None:
    """Imports torch and transformers, and leaves parts of torch out, unless torch is there already."""
    if "torch" not in sys.modules:
        sys.modules.update({name: _Later(name) for name in _LEFT_OUT})
    for name in ("torch", *_NEEDED, "transformers"):
        importlib.import_module(name)


def import_the_rest() -> bool:
    """Imports what `import_quickly` has left out; tells if there was something."""
    names = [name for name in _LEFT_OUT if isinstance(sys.modules.get(name), _Later)]
    for name in names:
        del sys.modules[name]
        importlib.import_module(name)
    return bool(names)


def loaded(load: Callable[[], T]) -> T:
    """The result of a load. If it fails as it might for want of what was left out, it is tried again with that."""
    try:
        return load()
    except (AttributeError, ImportError, RuntimeError):  # torch has no meta kernel, or has grown
        if not import_the_rest():
            raise
    return load()


@contextlib.contextmanager
def compilers_left_out() -> Iterator[None]:
    """While it is held, torch and transformers import no compilers. Whoever wants them later gets the real ones."""
    import transformers
    from transformers import utils

    answers: dict[str, object] = dict.fromkeys(_QUESTIONS, _is_not_available)
    listing = {_LISTING: _known_modules(transformers, utils.import_utils.define_import_structure)}
    with contextlib.ExitStack() as stack:
        stack.enter_context(_replaced(vars(utils), answers))
        stack.enter_context(_replaced(vars(utils.import_utils), answers | listing))
        for module in (_Marks(_DYNAMO), _Calls(_TRACING)):
            stack.enter_context(_standing_in(module))
        yield


@contextlib.contextmanager
def _replaced(module: dict[str, Any], stand_ins: Mapping[str, object]) -> Iterator[None]:
    replaced = {name: module[name] for name in stand_ins}
    module.update(stand_ins)
    try:
        yield
    finally:
        module.update(replaced)


@contextlib.contextmanager
def _standing_in(module: ModuleType) -> Iterator[None]:
    """Has a module stand in for the one of its name, unless that is there."""
    name = module.__name__
    if name in sys.modules:
        yield
        return
    sys.modules[name] = module
    try:
        yield
    finally:
        if sys.modules.get(name) is module:
            del sys.modules[name]


class _StandIn(ModuleType):
    """Stands in for a module until somebody needs it."""

    def _real(self) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return importlib.import_module(self.__name__)


class _Later(_StandIn):
    """Gives what the real module has, once it is asked for anything, or for a module in it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        return getattr(self._real(), name)


class _Calls(_StandIn):
    """Gives functions that call those of the real module, or make objects of its classes."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *values, **options: getattr(self._real(), name)(*values, **options)


class _Marks(ModuleType):
    """Stands in for the package torch._dynamo. Modules in it are the real ones; functions return what they mark."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        vars(self)["__path__"] = [str(Path(sys.modules["torch"].__path__[0], "_dynamo"))]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _mark


def _mark(function: Callable[..., Any] | None = None, *_args: object, **_options: object) -> Callable[..., Any]:
    return _mark if function is None else function


def _is_not_available() -> bool:
    return False


def _known_modules(package: Any, define: Callable[..., Any]) -> Callable[..., Any]:
    """Gives transformers.models the modules that transformers has listed, which else reads all of them once more."""
    folder = str(Path(package.__file__).with_name("models"))

    def define_quickly(module_path: str, prefix: str | None = None) -> Any:
        if prefix is not None or str(Path(module_path).parent) != folder:
            return define(module_path, prefix)
        listed = package._import_structure.items()
        return {name.removeprefix("models."): names for name, names in listed if name.startswith("models.")}

    return define_quickly

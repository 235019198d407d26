"""Runstream for Python: `Client` and `AsyncClient`, and in `runstream.v1` the messages and stubs of the contract."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runstream.library import *  # noqa: F403 - it has an `__all__`
else:
    # gRPC reads its settings as it is imported: the command sets one before, in a module of this package.
    def __getattr__(name: str) -> object:
        from importlib import import_module

        library = import_module("runstream.library")
        if name in ("__all__", *library.__all__):
            return getattr(library, name)
        if name in globals():  # a module of the package that the import above has brought
            return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=library)

    def __dir__() -> list[str]:
        from runstream.library import __all__

        return sorted({*globals(), *__all__})

"""The values of the command line's options: click's callbacks, which refuse what can't be meant."""

from collections.abc import Iterable

import click

from service.catalog_adapters import CatalogAdapter, parse_module
from service.devices import DeviceError, parse_devices
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.speculative import Speculative
from service.rpc.ports import bare_host
from tracing.opening import TracingError, check_endpoint


def split(context: click.Context, parameter: click.Parameter, values: Iterable[str]) -> tuple[str, ...]:
    """Names with commas between, of an option that may be given several times."""
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def host(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """A host without the brackets that an IPv6 address has in URLs."""
    return bare_host(value)


def endpoint(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Where traces are sent."""
    try:
        check_endpoint(value)
    except TracingError as error:
        raise click.BadParameter(str(error)) from error
    return value


def devices(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """The names of torch devices."""
    try:
        return parse_devices(value)
    except DeviceError as error:
        raise click.BadParameter(str(error)) from error


def lora_modules(
    context: click.Context, parameter: click.Parameter, values: Iterable[str]
) -> tuple[CatalogAdapter, ...]:
    """LoRA adapters; several have spaces between in the variable, as they have for vLLM."""
    try:
        return tuple(map(parse_module, values))
    except ValueError as error:
        forms = 'NAME=PATH, or {"name": …, "path": …, "base_model_name": …}'
        raise click.BadParameter(f"{error}: write {forms}") from error


def speculative(context: click.Context, parameter: click.Parameter, value: str) -> Speculative:
    """Where drafts come from."""
    return Speculative(value)


def accelerations(context: click.Context, parameter: click.Parameter, value: str) -> frozenset[Acceleration] | None:
    """Ways to be faster; None for those that trials find."""
    if value == "auto":
        return None
    if value == "none":
        return frozenset()
    names = {name.strip() for name in value.split(",") if name.strip()}
    if unknown := names - set(Acceleration):
        raise click.BadParameter(f"{', '.join(sorted(unknown))} is none of {', '.join(Acceleration)}")
    return frozenset(map(Acceleration, names))

"""The page of every RPC, message and field, made from the comments of the contract.

The generators that are known for it, protoc-gen-doc and buf's, are programs in Go that no package index has.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from scripts.site.pages import ROOT

_INTRODUCTION: Final = """# gRPC: every call, message and field

This page is made from the comments of the contract, `protos/runstream/v1`. [gRPC in general](../grpc.md) tells of
failures, sizes and metadata, and [clients](../clients.md) of the first lines in your language."""

_PACKAGE: Final = ".runstream.v1."
Path_ = tuple[int, ...]
# Numbers of the fields of descriptor.proto, of which the paths of comments are made.
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
_FIELDS, _NESTED, _NESTED_ENUMS = 2, 3, 4
_METHODS, _VALUES = 2, 2


def markdown() -> str:
    """The page."""
    parts = [_INTRODUCTION]
    for file in descriptors().file:
        if file.package == "runstream.v1":
            parts += _File(file).parts()
    return "\n\n".join(parts) + "\n"


def descriptors() -> FileDescriptorSet:
    """The contract as protoc reads it, with its comments."""
    protos = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("protos/runstream/v1/*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        described = Path(folder) / "contract.binpb"
        options = ["-Iprotos", "--include_source_info", f"--descriptor_set_out={described}"]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, *protos], cwd=ROOT, check=True)
        return FileDescriptorSet.FromString(described.read_bytes())


class _File:
    """What the page says of one file."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self._file = file
        places = file.source_code_info.location
        self._comments = {tuple(place.path): place.leading_comments for place in places if place.leading_comments}

    def parts(self) -> Iterator[str]:
        """Services first, then messages and enums."""
        yield f"## {self._file.name}"
        for index, service in enumerate(self._file.service):
            yield from self._service(service, (_SERVICES, index))
        for index, message in enumerate(self._file.message_type):
            yield from self._message(message, (_MESSAGES, index), "")
        for index, enum in enumerate(self._file.enum_type):
            yield from self._enum(enum, (_ENUMS, index), "")

    def _text(self, path: Path_) -> str:
        """A comment as paragraphs."""
        lines = [line.strip() for line in self._comments.get(path, "").splitlines()]
        return "\n".join(lines).strip()

    def _cell(self, path: Path_) -> str:
        return " ".join(self._text(path).split()).replace("|", r"\|")

    def _service(self, service: ServiceDescriptorProto, path: Path_) -> Iterator[str]:
        yield f"### {service.name}\n\n{self._text(path)}"
        for index, method in enumerate(service.method):
            sent = "stream of " if method.client_streaming else ""
            answered = "stream of " if method.server_streaming else ""
            types = f"{sent}{_type_link(method.input_type)} → {answered}{_type_link(method.output_type)}"
            yield f"**`{method.name}`**: {types}\n\n{self._text((*path, _METHODS, index))}"

    def _message(self, message: DescriptorProto, path: Path_, outer: str) -> Iterator[str]:
        name = f"{outer}{message.name}"
        yield f"### {name}\n\n{self._text(path)}"
        rows = [
            (f"`{one.name}`", _type_of(one, message), self._cell((*path, _FIELDS, index)))
            for index, one in enumerate(message.field)
        ]
        if rows:
            yield _table(("field", "type", "meaning"), rows)
        for index, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                yield from self._message(nested, (*path, _NESTED, index), f"{name}.")
        for index, enum in enumerate(message.enum_type):
            yield from self._enum(enum, (*path, _NESTED_ENUMS, index), f"{name}.")

    def _enum(self, enum: EnumDescriptorProto, path: Path_, outer: str) -> Iterator[str]:
        yield f"### {outer}{enum.name}\n\n{self._text(path)}"
        rows = [
            (f"`{one.name}`", str(one.number), self._cell((*path, _VALUES, index)))
            for index, one in enumerate(enum.value)
        ]
        yield _table(("value", "number", "meaning"), rows)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(cells) for cells in rows]
    return "\n".join([f"| {' | '.join(headings)} |", "|---" * len(headings) + "|", *(f"| {line} |" for line in lines)])


def _type_of(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    for nested in message.nested_type:
        if nested.options.map_entry and field.type_name.endswith(f".{message.name}.{nested.name}"):
            return "map of " + " to ".join(_plain_type(one) for one in nested.field)
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"list of {_plain_type(field)}"
    if field.proto3_optional:
        return f"optional {_plain_type(field)}"
    if field.HasField("oneof_index"):
        return f"{_plain_type(field)}, one of `{message.oneof_decl[field.oneof_index].name}`"
    return _plain_type(field)


def _plain_type(field: FieldDescriptorProto) -> str:
    if field.type_name:
        return _type_link(field.type_name)
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _type_link(name: str) -> str:
    """A message's or enum's name, with a link to its place on the page if the contract has it."""
    if not name.startswith(_PACKAGE):
        return f"`{name.removeprefix('.')}`"
    short = name.removeprefix(_PACKAGE)
    return f"[{short}](#{short.lower().replace('.', '')})"

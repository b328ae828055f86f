"""Renders docs/contracts.md from the contracts: `python -m cloudos.sdk.contract_reference > docs/contracts.md`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any, get_args

import cloudos.contracts
from cloudos.contracts import errors
from cloudos.lang import U8, U64, Slice
from cloudos.sdk.contract import CONTRACTS, Operation, declaration, is_enum, is_optional, is_struct, results

HEADER = """# Contracts

Made from `cloudos/contracts/` by `python -m cloudos.sdk.contract_reference`; a test keeps the two in step.

A contract is what a service offers: `Files(handle).status(path)` calls operation 2 of contract 2. How a call travels is
in `cloudos/sdk/contract.py`. A contract of version n has all operations of the versions before; `contract_version()`,
operation 0 of every contract, asks a server for its version. Every operation may also raise BadMessage (the server
takes the message for none of the contract; or more bytes than 4,032) and BadOperation (its version is older). What is
*one way* is not answered: the client waits for the service to take it as long as is said and no longer, Dropped tells
that it did not, and nothing tells what became of it. A service whose version is older forgets it.
"""


def load() -> None:
    """Import all modules of contracts, which declares them."""
    for module in pkgutil.iter_modules(cloudos.contracts.__path__):
        importlib.import_module(f"cloudos.contracts.{module.name}")


def contracts() -> list[type[Any]]:
    """The contracts of services, by number; not those that a test declared."""
    load()
    return [CONTRACTS[n] for n in sorted(CONTRACTS) if CONTRACTS[n].__module__.startswith("cloudos.contracts.")]


def type_name(kind: Any) -> str:
    """A type as the declarations write it."""
    if kind is None:
        return "None"
    if kind == Slice[U8]:
        return "Slice[U8]"
    if is_optional(kind):
        return f"{U64.__name__} | None"
    if getattr(kind, "__origin__", None) is tuple:
        return f"tuple[{', '.join(type_name(part) for part in get_args(kind))}]"
    return str(kind.__name__)


def parameter(one: Operation, name: str) -> str:
    """A parameter with its type; handles say whether they are shared or moved, slices whether they are filled."""
    if name in one.shares:
        return f"{name}: handle, shared"
    if name in one.moves:
        return f"{name}: handle, moved"
    return f"{name}: {type_name(one.parameters[name])}" + (", filled" if name == one.fills else "")


def signature(one: Operation) -> str:
    """`name(parameter: type; …) -> type`."""
    parameters = "; ".join(parameter(one, name) for name in one.parameters)
    handles = {0: type_name(one.result), 1: "handle"}.get(one.returned_handles, f"{one.returned_handles} handles")
    return f"{one.name}({parameters}) -> {handles}"


def types_of(contract: type[Any]) -> list[type[Any]]:
    """The structs and enums that operations of a contract take or give, in the order of their first use."""
    found: dict[type[Any], None] = {}
    for one in declaration(contract).operations:
        for kind in (*one.parameters.values(), *results(one)):
            if is_struct(kind) or is_enum(kind):
                found[kind] = None
    return list(found)


def describe_type(kind: Any) -> list[str]:
    """A struct with its fields, or an enum with its numbers."""
    lines = ["", f"### {kind.__name__}", "", inspect.getdoc(kind) or "", ""]
    if is_enum(kind):
        return [*lines, "| number | name |", "| --- | --- |", *(f"| {int(one)} | {one.name} |" for one in kind)]
    lines += ["| offset | field | type |", "| --- | --- | --- |"]
    return lines + [f"| {one.offset} | {one.name} | {type_name(one.type)} |" for one in kind.__struct__.fields]


def constants(contract: type[Any]) -> list[str]:
    """The plain numbers that the contract's module names: flags, kinds, limits. With its first contract only."""
    if next(one for one in contracts() if one.__module__ == contract.__module__) is not contract:
        return []
    module = vars(importlib.import_module(contract.__module__))
    named = [f"{name} = {value}" for name, value in module.items() if name.isupper() and type(value) is int]
    return ["", f"Numbers: {', '.join(named)}."] if named else []


def render() -> str:
    """The whole page."""
    parts = [HEADER, "## Errors of services\n", "| number | name | meaning |", "| --- | --- | --- |"]
    for error in vars(errors).values():
        if inspect.isclass(error) and issubclass(error, errors.ServiceError) and error is not errors.ServiceError:
            parts.append(f"| {error.code} | {error.__name__} | {' '.join((inspect.getdoc(error) or '').split())} |")
    for contract in contracts():
        declared = declaration(contract)
        parts += ["", f"## {declared.number}: {contract.__name__}, version {declared.version}", ""]
        parts += [f"`{contract.__module__}`. {inspect.getdoc(contract) or ''}"]
        parts += constants(contract)
        for one in sorted(declared.operations, key=lambda one: one.number):
            notes = [f"since version {one.since}"] if one.since > 1 else []
            notes += [f"one way, within {one.patience:,} ns"] if one.one_way else []
            since = f" ({', '.join(notes)})" if notes else ""
            parts += ["", f"### {one.number}: {one.name}{since}", "", f"    {signature(one)}", ""]
            parts += [inspect.getdoc(one.function) or "", ""]
            parts += [f"Raises: {', '.join(error.__name__ for error in one.raises)}."]
        for kind in types_of(contract):
            parts += describe_type(kind)
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(render(), end="")

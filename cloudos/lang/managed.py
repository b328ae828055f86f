"""`@managed`: classes on the program's heap, held by reference.

Compiled, instances are reference counted; under CPython they are plain objects whose fields are checked
as they are set. Fields of struct, array and atomic type are embedded: storing copies, loading aliases.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from inspect import get_annotations
from typing import Any, TypeVar, dataclass_transform, get_origin

from cloudos.lang.generics import bindings_of, caller_namespace, is_open, parameters_of, specialise
from cloudos.lang.layout import POINTER_SIZE, ZEROED, Layout, ReferenceLayout, layout_of
from cloudos.lang.memory import Region
from cloudos.lang.structs import NO_DEFAULT, Field, _is_class_variable, _rebind_class_cell, field_type, of_field

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class ManagedInfo:
    """The fields of a managed class, in order of declaration; offsets in bytes from the first field.

    `size` and `align` describe the fields alone: the header in front of them is the compiler's.
    `has_init` and `has_drop` say whether the class defines `__init__` and `drop` itself.
    """

    fields: list[Field]
    size: int
    align: int
    type_fields: dict[str, Any]
    has_init: bool
    has_drop: bool


class ManagedAccess(property):
    """The descriptor of a managed object's field: checks the type, copies what is embedded."""


def _access_to(field: Field) -> ManagedAccess:
    name, layout = field.name, field.layout

    def load(instance: Any) -> Any:
        try:
            return instance.__dict__[name]
        except KeyError:
            raise AttributeError(f"{type(instance).__name__}.{name} was never set") from None

    def store_reference(instance: Any, value: Any) -> None:
        layout.check(value)  # type: ignore[attr-defined]
        instance.__dict__[name] = None if value is ZEROED else value

    def store(instance: Any, value: Any) -> None:
        region = instance.__dict__.setdefault("_fields", {}).get(name)
        if region is None:
            region = instance.__dict__["_fields"][name] = Region(layout.size, layout.align)
        layout.store(region, 0, value)
        instance.__dict__[name] = layout.load(region, 0)

    return ManagedAccess(load, store_reference if isinstance(layout, ReferenceLayout) else store)


class _LazyManagedInfo:
    """`cls.__managed__`: computed on first use, when every forward reference exists."""

    def __get__(self, instance: Any, owner: type[Any]) -> ManagedInfo:
        info = owner.__dict__.get("__managed_info__")
        if info is None:
            info = _describe(owner)
        return info


@dataclass_transform(eq_default=False)
def managed(cls: type[C]) -> type[C]:
    """Make a class a managed one: fields as declared in its body, references instead of copies.

    The constructor takes the fields unless the class defines `__init__`. `drop(self)`, if defined, runs
    when the last reference goes, before the fields are released.
    """
    namespace = caller_namespace()
    fields = {name: note for name, note in get_annotations(cls).items() if not _is_class_variable(note)}
    body = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    defaults = {name: body.pop(name) for name in fields if name in body}
    body.update(
        __managed__=_LazyManagedInfo(),
        __managed_source__=(fields, defaults, namespace),
        __layout__=classmethod(_managed_layout),
        __class_getitem__=classmethod(specialise),
        __new__=_new_managed,
        __setattr__=_set_attribute,
        __hash__=body.get("__hash__") or object.__hash__,
    )
    body.setdefault("__init__", _init_from_fields)
    if "drop" in body:
        body["__del__"] = _run_drop
    if "__eq__" not in body:
        body["__eq__"] = _no_equality
    bases = tuple(base for base in cls.__bases__ if base is not object)
    metaclass: Any = type(cls)
    made: type[Any] = metaclass(cls.__name__, bases, body)
    for value in body.values():
        _rebind_class_cell(value, cls, made)
    return made


def _describe(cls: type[Any]) -> ManagedInfo:
    if is_open(cls) or (parameters_of(cls) and "__args__" not in cls.__dict__):
        raise TypeError(f"{cls.__name__} is generic: give its type arguments")
    origin = cls.__dict__.get("__origin__", cls)
    notes, defaults, namespace = origin.__managed_source__
    bindings = bindings_of(cls)
    fields: list[Field] = []
    type_fields: dict[str, Any] = {}
    offset, align = 0, 1
    for name, note in notes.items():
        type_ = field_type(origin, name, note, namespace, bindings)
        if get_origin(type_) is type:
            type_fields[name] = type_.__args__[0]
            continue
        try:
            layout = layout_of(type_)
        except TypeError as error:
            raise of_field(TypeError(f"{cls.__name__}.{name}: {error}"), cls, name) from None
        offset += -offset % layout.align
        fields.append(Field(name, type_, offset, name in defaults, defaults.get(name, NO_DEFAULT), layout))
        offset += layout.size
        align = max(align, layout.align)
    own = vars(origin)
    size = offset + -offset % align
    info = ManagedInfo(fields, size, align, type_fields, own["__init__"] is not _init_from_fields, "drop" in own)
    type.__setattr__(cls, "__managed_info__", info)
    for field in fields:
        type.__setattr__(cls, field.name, _access_to(field))
    for name, type_ in type_fields.items():
        type.__setattr__(cls, name, type_)
    return info


def _new_managed(cls: type[Any], *args: Any, **kwargs: Any) -> Any:
    if parameters_of(cls) or is_open(cls):
        from cloudos.lang.inference import close_from_arguments, make_closed

        return make_closed(cls, close_from_arguments(cls, args, kwargs), args, kwargs)
    cls.__managed__.size  # noqa: B018 - installs the fields on first use
    return object.__new__(cls)


def _init_from_fields(self: Any, *args: Any, **kwargs: Any) -> None:
    fields = type(self).__managed__.fields
    if len(args) > len(fields):
        raise TypeError(f"{type(self).__name__} takes {len(fields)} fields, not {len(args)}")
    given = dict(zip((field.name for field in fields), args, strict=False))
    for name, value in kwargs.items():
        if name in given or all(field.name != name for field in fields):
            raise TypeError(f"{type(self).__name__}: unexpected or repeated field {name!r}")
        given[name] = value
    for field in fields:
        if field.name in given:
            setattr(self, field.name, given[field.name])
        elif field.has_default:
            setattr(self, field.name, field.default)
        else:
            raise TypeError(f"{type(self).__name__}: field {field.name!r} is missing")


def _set_attribute(self: Any, name: str, value: Any) -> None:
    access = getattr(type(self), name, None)
    if access.__class__ is ManagedAccess:
        access.__set__(self, value)
        return
    if not hasattr(access, "__set__"):
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")
    object.__setattr__(self, name, value)


def _run_drop(self: Any) -> None:
    """CPython counts references as compiled code does: an object that was made whole is dropped with the last."""
    if not sys.is_finalizing() and all(field.name in self.__dict__ for field in type(self).__managed__.fields):
        self.drop()


def _no_equality(self: Any, other: object) -> bool:
    raise TypeError(f"{type(self).__name__} defines no __eq__: compare its fields, or use `is`")


def _managed_layout(cls: type[Any]) -> Layout:
    return ReferenceLayout(cls, POINTER_SIZE, optional=False)


def is_managed(type_: Any) -> bool:
    """Whether the class is a managed one."""
    return hasattr(type_, "__managed_source__")

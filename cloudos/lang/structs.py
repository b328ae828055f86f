"""`@struct`: classes whose instances lie in memory as a C struct does.

An instance is a *view*: a region of simulated memory and an offset. Loading a field of struct or array
type gives a view of the same memory (the same object every time); storing into one copies.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from inspect import get_annotations
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform, get_origin, overload

from cloudos.lang.fields import access_to
from cloudos.lang.generics import (
    Namespace,
    bindings_of,
    caller_namespace,
    is_open,
    parameters_of,
    specialise,
    substitute,
)
from cloudos.lang.layout import AggregateLayout, Layout, ReferenceLayout, layout_of, type_name
from cloudos.lang.memory import Region
from cloudos.lang.panics import intrinsic

_new = object.__new__
C = TypeVar("C")
S = TypeVar("S", bound="Any")
E = TypeVar("E", bound=Exception)


class _NoDefault:
    def __repr__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT = _NoDefault()


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a struct: its place in bytes from the start, its default as written."""

    name: str
    type: Any
    offset: int
    has_default: bool
    default: Any
    layout: Layout = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True)
class StructInfo:
    """The layout of a struct: sizes and offsets in bytes, fields in order of declaration.

    `type_fields` are the `type[T]` fields that specialisation fills; they take no memory.
    """

    fields: list[Field]
    size: int
    align: int
    type_fields: dict[str, Any]


class View:
    """A region of memory and an offset in it, seen as a struct, an array or an atomic."""

    __slots__ = ("__weakref__", "_offset", "_region")
    _region: Region
    _offset: int


class Copyable:
    """Mixin: shows type checkers the `copy()` that every struct has. Not part of the layout."""

    __slots__ = ()

    def copy(self) -> Self:
        """A fresh instance with the same bytes."""
        raise NotImplementedError


class _LazyStructInfo:
    """`cls.__struct__`: computed on first use, when every forward reference exists."""

    def __get__(self, instance: Any, owner: type[Any]) -> StructInfo:
        info = owner.__dict__.get("__struct_info__")
        if info is None:
            info = _lay_out(owner)
        return info


@overload
def struct(cls: type[C], /) -> type[C]: ...
@overload
def struct(*, align: int = 1) -> Callable[[type[C]], type[C]]: ...


@dataclass_transform(eq_default=False)
def struct(cls: Any = None, /, *, align: int = 1) -> Any:
    """Make a class a struct: C layout, constructor from its fields, views instead of values.

    `align` in bytes raises the alignment above the natural one (a power of two).
    """
    namespace = caller_namespace()
    if align < 1 or align & (align - 1):
        raise TypeError(f"align must be a power of two, not {align}")
    if cls is not None:
        return _make_struct(cls, align, namespace)
    return lambda cls: _make_struct(cls, align, namespace)


def specialised(*, init: bool = False) -> Any:
    """The default of a `type[T]` field, so that type checkers do not ask the constructor for it."""
    return SPECIALISED


SPECIALISED = object()


def _make_struct(cls: type[Any], align: int, namespace: Namespace) -> type[Any]:
    annotations = get_annotations(cls)
    fields = {name: note for name, note in annotations.items() if not _is_class_variable(note)}
    body = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    defaults = {name: body.pop(name) for name in fields if name in body}
    if "__init__" in body:
        raise TypeError(f"{cls.__name__}: a struct's constructor takes its fields; write a function instead")
    body.update(
        __slots__=(),
        __init__=_first_init,
        __new__=_new_view,
        __struct__=_LazyStructInfo(),
        __struct_source__=(fields, defaults, align, namespace),
        __layout__=classmethod(_struct_layout),
        __class_getitem__=classmethod(_specialise_struct),
        copy=_copy,
        __repr__=body.get("__repr__", _repr),
    )
    if "__eq__" not in body:
        body["__eq__"] = _no_equality
    body["__hash__"] = body.get("__hash__") or _identity_hash
    bases = tuple(base for base in cls.__bases__ if base is not object)
    metaclass: Any = type(cls)
    made: type[Any] = metaclass(cls.__name__, (*bases, View), body)
    if made.__dictoffset__:  # a base without __slots__ gives instances a dict: keep unknown names out of it
        made.__setattr__ = _set_attribute  # type: ignore[assignment]
    for value in body.values():
        _rebind_class_cell(value, cls, made)
    return made


def _is_class_variable(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return annotation.startswith(("ClassVar", "typing.ClassVar"))
    return get_origin(annotation) is ClassVar or annotation is ClassVar


def _rebind_class_cell(value: Any, old: type[Any], new: type[Any]) -> None:
    """Methods that name `__class__` hold the class before decoration in a cell: point it at the struct."""
    for function in (value, getattr(value, "fget", None), getattr(value, "__func__", None)):
        for cell in getattr(function, "__closure__", None) or ():
            if cell.cell_contents is old:
                cell.cell_contents = new


def _specialise_struct(cls: type[Any], arguments: Any) -> type[Any]:
    return specialise(cls, arguments)


def _lay_out(cls: type[Any]) -> StructInfo:
    if is_open(cls) or (parameters_of(cls) and "__args__" not in cls.__dict__):
        raise TypeError(f"{cls.__name__} is generic: it has a layout only with its type arguments given")
    if cls in _BEING_LAID_OUT:
        raise TypeError(f"{cls.__name__} cannot hold itself: hold a Ptr[{cls.__name__}]")
    _BEING_LAID_OUT.append(cls)
    try:
        return _laid_out(cls)
    finally:
        _BEING_LAID_OUT.pop()


_BEING_LAID_OUT: list[type[Any]] = []


def _laid_out(cls: type[Any]) -> StructInfo:
    origin = cls.__dict__.get("__origin__", cls)
    notes, defaults, align, namespace = origin.__struct_source__
    bindings = bindings_of(cls)
    fields: list[Field] = []
    type_fields: dict[str, Any] = {}
    offset = 0
    for name, note in notes.items():
        type_ = field_type(origin, name, note, namespace, bindings)
        if get_origin(type_) is type:
            type_fields[name] = type_.__args__[0]
            continue
        layout = _field_layout(cls, name, type_)
        offset += -offset % layout.align
        fields.append(Field(name, type_, offset, name in defaults, defaults.get(name, NO_DEFAULT), layout))
        offset += layout.size
        align = max(align, layout.align)
    info = StructInfo(fields, offset + -offset % align, align, type_fields)
    _install(cls, info)
    if not parameters_of(origin):
        namespace.frame = None  # evaluated for good: let the defining function's locals go
    return info


def field_type(origin: type[Any], name: str, note: Any, namespace: Namespace, bindings: dict[Any, Any]) -> Any:
    """The type of a field, its type variables replaced. NameError, or TypeError for all else, says which field."""
    try:
        return substitute(namespace.evaluate(note, {origin.__name__: origin}), bindings)
    except NameError as error:
        raise of_field(NameError(f"{origin.__name__}.{name}: {error}"), origin, name) from None
    except Exception as error:
        raise of_field(TypeError(f"{origin.__name__}.{name}: {error}"), origin, name) from None


def of_field(error: E, origin: type[Any], name: str) -> E:
    """The error, which says in its attribute `cloudos_field` what it is about: for the compiler's message."""
    error.cloudos_field = (origin, name)  # type: ignore[attr-defined]
    return error


def _field_layout(cls: type[Any], name: str, type_: Any) -> Layout:
    if name in OWN_NAMES or name.startswith("cloudos_"):
        raise of_field(TypeError(f"{cls.__name__}.{name}: structs have something else by this name"), cls, name)
    try:
        layout = layout_of(type_)
    except TypeError as error:
        raise of_field(TypeError(f"{cls.__name__}.{name}: {error}"), cls, name) from None
    if isinstance(layout, ReferenceLayout) and layout.size == 8:
        message = f"{cls.__name__}.{name}: a struct cannot hold a reference to a managed object"
        raise of_field(TypeError(message), cls, name)
    return layout


def _install(cls: type[Any], info: StructInfo) -> None:
    for field in info.fields:
        type.__setattr__(cls, field.name, access_to(field.layout, field.offset))
    for name, type_ in info.type_fields.items():
        type.__setattr__(cls, name, type_)
    type.__setattr__(cls, "__struct_info__", info)
    type.__setattr__(cls, "__match_args__", tuple(field.name for field in info.fields))
    type.__setattr__(cls, "__init__", _make_init(cls, info))


QUICK = ("    self._region = cloudos_region", "    self._offset = 0")
"""Where nothing keeps unknown names out, as nothing needs to."""
SLOW = ("    cloudos_set(self, '_region', cloudos_region)", "    cloudos_set(self, '_offset', 0)")
OWN_NAMES = ("self", "_region", "_offset")


def _make_init(cls: type[Any], info: StructInfo) -> Callable[..., None]:
    """The constructor, written out so that CPython itself checks names and number of arguments.

    Whatever it uses has a name that no field has.
    """
    values: dict[str, Any] = {"cloudos_Region": Region}
    parameters, lines = [], []
    keyword_only = False
    for index, field in enumerate(info.fields):
        values[f"cloudos_store{index}"] = field.layout.store
        if field.has_default:
            values[f"cloudos_default{index}"] = field.default
            parameters.append(f"{field.name}=cloudos_default{index}")
        else:
            # A field without default after one with: allowed by keyword only, as C has no such order.
            if not keyword_only and any(earlier.has_default for earlier in info.fields[:index]):
                parameters.append("*")
                keyword_only = True
            parameters.append(field.name)
        lines.append(f"    cloudos_store{index}(cloudos_region, {field.offset}, {field.name})")
    head = [
        f"def __init__({', '.join(['self', *parameters])}):",
        f"    cloudos_region = cloudos_Region({info.size}, {info.align}, owner=self)",
        *(SLOW if cls.__dictoffset__ else QUICK),
    ]
    values["cloudos_set"] = object.__setattr__
    exec("\n".join(head + lines), values)
    init: Callable[..., None] = values["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _first_init(self: Any, *args: Any, **kwargs: Any) -> None:
    """Stands in until the layout is known."""
    type(self).__struct__.size  # noqa: B018 - computed on first use
    type(self).__init__(self, *args, **kwargs)


def _new_view(cls: type[Any], *args: Any, **kwargs: Any) -> Any:
    if parameters_of(cls) or is_open(cls):
        from cloudos.lang.inference import close_from_arguments, make_closed

        return make_closed(cls, close_from_arguments(cls, args, kwargs), args, kwargs)
    return object.__new__(cls)


def _set_attribute(self: Any, name: str, value: Any) -> None:
    access = getattr(type(self), name, None)
    if name not in ("_region", "_offset") and not hasattr(access, "__set__"):
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")
    object.__setattr__(self, name, value)


def _struct_layout(cls: type[Any]) -> Layout:
    info = cls.__struct__
    return AggregateLayout(cls, info.size, info.align)


@intrinsic("copy")
def _copy(self: S) -> S:
    """A fresh instance with the same bytes."""
    return copy_view(self)


@intrinsic("copy")
def copy(view: S) -> S:
    """A fresh instance with the same bytes: `copy(point)` is `point.copy()`, with a type that checkers know."""
    if not isinstance(view, View):
        raise TypeError(f"only structs, arrays and atomics are copied, not {view!r}")
    return copy_view(view)


def copy_view(view: S) -> S:
    """A fresh instance of the view's class, in a region of its own, with the same bytes."""
    cls = type(view)
    layout = layout_of(cls)
    result = object.__new__(cls)
    region = Region(layout.size, layout.align, owner=result)
    object.__setattr__(result, "_region", region)
    object.__setattr__(result, "_offset", 0)
    region.copy_from(0, view._region, view._offset, layout.size)
    return result


def zeroed_view(cls: type[C]) -> C:
    """A fresh instance whose bytes are all zero."""
    layout = layout_of(cls)
    result = object.__new__(cls)
    object.__setattr__(result, "_region", Region(layout.size, layout.align, owner=result))
    object.__setattr__(result, "_offset", 0)
    return result


def _no_equality(self: Any, other: object) -> bool:
    raise TypeError(f"{type(self).__name__} defines no __eq__: compare its fields")


def _identity_hash(self: Any) -> int:
    return object.__hash__(self)


def _repr(self: Any) -> str:
    try:
        values = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in type(self).__struct__.fields)
    except BaseException as error:  # a repr is for debuggers: it shows even what may not be read
        values = f"<{error}>"
    return f"{type_name(type(self))}({values})"

"""NamedTuples of arrays that kernels take by one address.

Numba takes every array of a tuple apart on every call, some 0.1 us for each, and copies its description wherever one
kernel hands it to another. What a ``Held`` holds is taken apart once, when it is made: kernels get an address, read
what they use there, and compile faster for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import NativeValue, infer_getattr, lower_getattr_generic, models, register_model, unbox

from roadcraft.core.arrays import I64

_WORD = ir.IntType(64)


class Held:
    """A NamedTuple of C-contiguous arrays, ints, floats and further such tuples, for kernels, to which it is handed as
    an argument of its own: numba takes long to find it in a tuple. Python and kernels read its fields by name;
    kernels may write to its arrays, save read-only ones. Views of arrays must not leave a kernel: they keep nothing
    alive."""

    __slots__ = ("_at", "_block", "_fields", "_numba_type_", "_views", "_words", "address")
    _views: tuple[tuple[Any, Any, int], ...]  # of a block: shape, type and first byte of each array

    def __init__(self, fields: Any) -> None:
        """Raises TypeError for fields of other types."""
        self._fields, self._views = fields, ()
        self._numba_type_ = HeldType(typeof(fields))
        self._words = self._block = np.array(list(_words(fields, self._numba_type_.fields)), np.int64)
        self._at = self.address = _address(self._words)

    @classmethod
    def copied(cls, fields: Any) -> Held:
        """Holds copies of arrays, a NamedTuple of nothing else, in one block of memory, its words at the end. Raises
        TypeError for other NamedTuples."""
        held = cls(fields)
        if not all(isinstance(f, types.Array) for f in held._numba_type_.fields):
            raise TypeError(f"only arrays are copied, not {held._numba_type_.fields}")
        *places, end = np.cumsum([0, *((v.nbytes + 7) // 8 for v in fields)]).tolist()
        held._block = np.concatenate([np.zeros(end, np.int64), held._words])
        held._views = tuple((v.shape, v.dtype, 8 * at) for v, at in zip(fields, places, strict=True))
        held._fields, held._at, held._words = None, _address(held._block), held._block[end:]
        held.address = held._at + 8 * end
        held._words[held._numba_type_.addresses > 0] = held._at + 8 * np.array(places, np.int64)
        for view, v in zip(held.fields, fields, strict=True):
            view[...] = v
        return held

    def copy(self) -> Held:
        """The same values as of one that is :meth:`copied`, in a block of their own. Raises TypeError for another."""
        if not self._views:
            raise TypeError("only what is made by Held.copied has a block to copy")
        out = object.__new__(Held)
        out._numba_type_, out._views, out._fields, out._block = self._numba_type_, self._views, None, self._block.copy()
        out._at = _address(out._block)
        shift, out._words = out._at - self._at, out._block[-len(self._words) :]
        out._words += shift * out._numba_type_.addresses
        out.address = self.address + shift
        return out

    @property
    def fields(self) -> Any:
        """The NamedTuple."""
        if self._fields is None:
            arrays = [np.ndarray(shape, dtype, self._block, at) for shape, dtype, at in self._views]
            self._fields = self._numba_type_.fields.instance_class(*arrays)
        return self._fields

    def __reduce__(self) -> Any:
        raise TypeError("addresses do not leave a process")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or hasattr(Held, name):  # the latter is yet to be set
            raise AttributeError(name)
        return getattr(self.fields, name)


def _address(array: Any) -> int:
    place: int = array.__array_interface__["data"][0]
    return place


def _words(value: Any, field: Any) -> Iterator[int]:
    """A value in words: of an array its address and shape, of a tuple those of its entries. Raises TypeError for types
    that cannot be held."""
    if isinstance(field, types.BaseNamedTuple):
        for v, f in zip(value, field, strict=True):
            yield from _words(v, f)
    elif isinstance(field, types.Array) and field.layout == "C":
        yield from (_address(value), *value.shape)
    elif field in (types.int64, types.float64):
        yield int(np.array(value).view(np.int64))
    else:
        raise TypeError(f"kernels cannot read a {field} through an address")


def _are_addresses(field: Any) -> list[int]:
    """1 for each of a value's words that is an address, else 0."""
    if isinstance(field, types.Array):
        return [1] + field.ndim * [0]
    if isinstance(field, types.Number):
        return [0]
    return [word for entry in field for word in _are_addresses(entry)]


class HeldType(types.Type):  # type: ignore[misc]
    """Numba's type of what holds ``fields``, its type of a NamedTuple."""

    def __init__(self, fields: Any) -> None:
        self.fields = fields
        digest = blake2b(str(fields).encode(), digest_size=8).hexdigest()  # its whole name would be in every symbol
        super().__init__(f"Held({fields.instance_class.__name__}, {digest})")

    @property
    def key(self) -> Any:
        """What tells it from others: the type of the NamedTuple, which knows its class."""
        return self.fields

    @cached_property
    def addresses(self) -> I64:
        """1 for each word that is an address, else 0."""
        return np.array(_are_addresses(self.fields))

    def place(self, name: str) -> tuple[Any, int] | None:
        """The type of a field and its first word."""
        if name not in self.fields.fields:
            return None
        at = self.fields.fields.index(name)
        return self.fields.types[at], sum(len(_are_addresses(f)) for f in self.fields.types[:at])


@register_model(HeldType)
class _HeldModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, of: Any) -> None:
        super().__init__(manager, of, _WORD.as_pointer())


@unbox(HeldType)
def _unbox(of: Any, held: Any, c: Any) -> NativeValue:
    boxed = c.pyapi.object_getattr_string(held, "address")
    address = c.pyapi.long_as_longlong(boxed)
    c.pyapi.decref(boxed)
    return NativeValue(c.builder.inttoptr(address, _WORD.as_pointer()))


@infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc]
    key = HeldType

    def generic_resolve(self, held: HeldType, name: str) -> Any:
        found = held.place(name)
        if found is None:
            return None
        return HeldType(found[0]) if isinstance(found[0], types.BaseNamedTuple) else found[0]


@lower_getattr_generic(HeldType)
def _read(context: Any, builder: Any, held: HeldType, address: Any, name: str) -> Any:
    """The field ``name``: its address where it is a tuple, else its value."""
    found = held.place(name)
    assert found is not None
    field, at = found

    def word(k: int) -> Any:
        value = builder.load(builder.gep(address, [_WORD(at + k)]))
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
        return value

    if isinstance(field, types.BaseNamedTuple):
        return builder.gep(address, [_WORD(at)])
    if not isinstance(field, types.Array):
        return word(0) if field == types.int64 else builder.bitcast(word(0), ir.DoubleType())
    shape, whole = [word(1 + k) for k in range(field.ndim)], context.get_value_type(field)
    strides, count = [_WORD(context.get_abi_sizeof(context.get_data_type(field.dtype)))], shape[0]
    for length in shape[:0:-1]:
        strides.insert(0, builder.mul(strides[0], length))
    for length in shape[1:]:
        count = builder.mul(count, length)
    owner, parent, _, _, data = whole.elements[:5]
    sizes = cgutils.pack_array(builder, shape), cgutils.pack_array(builder, strides)
    parts = owner(None), parent(None), count, strides[-1], builder.inttoptr(word(0), data), *sizes
    value = whole(ir.Undefined)
    for k, part in enumerate(parts):
        value = builder.insert_value(value, part, k)
    return value

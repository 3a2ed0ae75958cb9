"""NamedTuples of arrays that kernels take by one address.

Numba takes every array of a tuple apart on every call, some 0.1 us for each, and copies its description wherever one
kernel hands it to another. What a ``Held`` holds is taken apart once, when it is made: kernels get an address, read
what they use there, and compile faster for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from hashlib import blake2b
from struct import Struct
from typing import Any

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba._dispatcher import compute_fingerprint
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import NativeValue, infer_getattr, lower_getattr_generic, models, register_model, unbox

from roadcraft.core.arrays import I64

_WORD = ir.IntType(64)
_FLOAT, _INT = Struct("d"), Struct("q")


class Held:
    """A NamedTuple of C-contiguous arrays, ints, floats, tuples of these and further such NamedTuples, for kernels, to
    which it is handed as an argument of its own: numba takes long to find it in a tuple. Python and kernels read its
    fields by name; kernels may write to its arrays, save read-only ones. Views of arrays must not leave a kernel: they
    keep nothing alive. Pickled or copied by ``copy``, it is made anew where it arrives."""

    __slots__ = ("_block", "_fields", "_numba_type_", "_views", "address")
    _views: tuple[tuple[Any, Any, int], ...]  # of a block: shape, type and first byte of each array

    def __init__(self, fields: Any) -> None:
        """Raises TypeError for fields of other types, masked arrays, or numbers in another machine's byte order."""
        for array in _arrays(fields):
            if isinstance(array, np.ma.MaskedArray) or not array.dtype.isnative:  # all one to ``compute_fingerprint``
                raise TypeError(f"kernels cannot read a {type(array).__name__} of {array.dtype.str} through an address")
        self._fields, self._views = fields, ()
        self._numba_type_ = _type_of(fields)
        self._block = np.array(_add_words(fields, []), np.int64)
        self.address = _address(self._block)

    @classmethod
    def copied(cls, fields: Any) -> Held:
        """Holds copies of arrays, a NamedTuple of nothing else, in one block of memory, its words first. Raises
        TypeError for other NamedTuples."""
        held = cls(fields)
        if not all(isinstance(f, types.Array) for f in held._numba_type_.fields):
            raise TypeError(f"only arrays are copied, not {held._numba_type_.fields}")
        held._numba_type_ = HeldType(held._numba_type_.fields, whole=True)
        sizes, words = [(v.nbytes + 7) // 8 for v in fields], held._block
        *places, end = np.cumsum([len(words), *sizes]).tolist()
        words[held._numba_type_.addresses > 0] = 8 * np.array(places, np.int64)
        held._block = np.concatenate([words, np.zeros(end - len(words), np.int64)])
        held._views = tuple((v.shape, v.dtype, 8 * at) for v, at in zip(fields, places, strict=True))
        held._fields, held.address = None, _address(held._block)
        for (shape, dtype, at), v in zip(held._views, fields, strict=True):
            np.ndarray(shape, dtype, held._block, at)[...] = v
        return held

    def copy(self) -> Held:
        """The same values as of one that is :meth:`copied`, in a block of their own. Raises TypeError for another."""
        if not self._views:
            raise TypeError("only what is made by Held.copied has a block to copy")
        out, block = object.__new__(Held), self._block.copy()
        out._numba_type_, out._views, out._fields, out._block = self._numba_type_, self._views, None, block
        out.address = _address(block)
        return out

    @property
    def fields(self) -> Any:
        """The NamedTuple."""
        if self._fields is None:
            arrays = [np.ndarray(shape, dtype, self._block, at) for shape, dtype, at in self._views]
            for array, its_type in zip(arrays, _entries(self._numba_type_.fields), strict=True):
                array.setflags(write=its_type.mutable)
            self._fields = self._numba_type_.fields.instance_class(*arrays)
        return self._fields

    def __reduce__(self) -> Any:
        writable = [array.flags.writeable for array in _arrays(self.fields)]  # copies of arrays all are
        return _made_anew, (bool(self._views), self.fields, writable)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or hasattr(Held, name):  # the latter is yet to be set
            raise AttributeError(name)
        return getattr(self.fields, name)


def _made_anew(whole: bool, fields: Any, writable: list[bool]) -> Held:
    for array, may in zip(_arrays(fields), writable, strict=True):
        if not may:
            array.setflags(write=False)
    return Held.copied(fields) if whole else Held(fields)


def _arrays(fields: Any) -> Iterator[Any]:
    """The arrays of a tuple and of the tuples in it."""
    for v in fields:
        if isinstance(v, np.ndarray):
            yield v
        elif isinstance(v, tuple):
            yield from _arrays(v)


def _address(array: Any) -> int:
    place: int = array.__array_interface__["data"][0]
    return place


def _add_words(fields: Any, words: list[int]) -> list[int]:
    """Adds the words of a tuple's entries: of an array its address and shape."""
    for v in fields:
        if isinstance(v, np.ndarray):
            words += _address(v), *v.shape
        elif isinstance(v, tuple):
            _add_words(v, words)
        else:
            words += _INT.unpack(_FLOAT.pack(v)) if isinstance(v, float) else (int(v),)
    return words


def _entries(of: Any) -> tuple[Any, ...]:
    """The types of a tuple's entries."""
    return tuple(of.types)


def _are_addresses(field: Any) -> list[int]:
    """1 for each of a value's words that is an address, else 0. Raises TypeError for types that cannot be held."""
    if isinstance(field, types.BaseTuple):
        return [word for entry in _entries(field) for word in _are_addresses(entry)]
    if isinstance(field, types.Array) and field.layout == "C":
        return [1] + field.ndim * [0]
    if field in (types.int64, types.float64):
        return [0]
    raise TypeError(f"kernels cannot read a {field} through an address")


class HeldType(types.Type):  # type: ignore[misc]
    """Numba's type of what holds ``fields``, its type of a NamedTuple. whole: arrays stand in one block with the words,
    which count their places from its first byte."""

    def __init__(self, fields: Any, whole: bool = False) -> None:
        self.fields, self.whole = fields, whole
        digest = blake2b(str(fields).encode(), digest_size=8).hexdigest()  # its whole name would be in every symbol
        super().__init__(f"Held({fields.instance_class.__name__}, {digest}{', whole' if whole else ''})")

    @property
    def key(self) -> Any:
        """What tells it from others: the type of the NamedTuple, which knows its class."""
        return self.fields, self.whole

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


_types: dict[Any, HeldType] = {}


def _type_of(fields: Any) -> HeldType:
    """Numba's type, found by what numba knows arguments by: its ``typeof`` takes a hundred times as long."""
    try:
        key = type(fields), compute_fingerprint(fields)
    except NotImplementedError:  # something that no kernel takes
        key = type(fields), b""
    if key not in _types:
        found = HeldType(typeof(fields))
        if not len(found.addresses):
            raise TypeError(f"kernels cannot read a {found.fields} through an address: it is empty")
        _types[key] = found
    return _types[key]


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
    """The field ``name``, as :func:`_value` has it."""
    found = held.place(name)
    assert found is not None
    begin = builder.ptrtoint(address, _WORD) if held.whole else _WORD(0)
    return _value(context, builder, (address, begin), *found)


def _value(context: Any, builder: Any, words: tuple[Any, Any], field: Any, at: int) -> Any:
    """What stands from word ``at`` on: its address where it is a NamedTuple, else its value. words: where they are, and
    from where they count places."""
    address, begin = words

    def word(k: int) -> Any:
        value = builder.load(builder.gep(address, [_WORD(at + k)]))
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
        return value

    if isinstance(field, types.BaseNamedTuple):
        return builder.gep(address, [_WORD(at)])
    if isinstance(field, types.BaseTuple):
        entries, first = [], at
        for entry in _entries(field):
            entries.append(_value(context, builder, words, entry, first))
            first += len(_are_addresses(entry))
        return context.make_tuple(builder, field, entries)
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
    parts = owner(None), parent(None), count, strides[-1], builder.inttoptr(builder.add(begin, word(0)), data), *sizes
    value = whole(ir.Undefined)
    for k, part in enumerate(parts):
        value = builder.insert_value(value, part, k)
    return value

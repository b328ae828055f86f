"""Pointers, slices, arrays, read-only data."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import I8, I64, U8, U16, U32, U64, Array, Ptr, Slice, VirtAddr, data, null, size_of, struct, zeroed


@struct
class Pair:
    left: U32 = U32(0)
    right: U32 = U32(0)


@struct
class Store:
    words: Array[U64, Literal[8]] = zeroed()
    bytes: Array[U8, Literal[16]] = zeroed()
    pairs: Array[Pair, Literal[4]] = zeroed()
    pointers: Array[Ptr[Pair], Literal[3]] = zeroed()
    view: Slice[U64] = zeroed()
    pointer: Ptr[U64] = null()


STORE = Store()
DIGITS = data(b"0123456789abcdef")


def _fill() -> None:
    for i in U64.range(8):
        STORE.words[i] = i * i
    for j in U64.range(16):
        STORE.bytes[j] = U8(j + 100)
    for k in U64.range(4):
        STORE.pairs[k].left = U32(k)
        STORE.pairs[k].right = U32(k + 10)


def array_index(i: U8, value: U64) -> U64:
    _fill()
    STORE.words[i % 10] = value
    return STORE.words[U64(i) % 9]


def array_index_types(i: U8, j: U16, k: U32) -> U64:
    _fill()
    total = STORE.words[i % 8] + STORE.words[j % 8] + STORE.words[k % 8] + STORE.words[7]
    STORE.words[j % 9] = total
    return total


def array_update(i: U8, value: U8) -> U8:
    _fill()
    STORE.bytes[i % 20] += value
    return STORE.bytes[i % 16]


def local_array(i: U8, value: U16) -> U32:
    items = Array[U16, Literal[5]]()
    items[i % 6] = value
    total = U32(0)
    for item in items:
        total = total * 3 + U32(item)
    return total + U32(items.length)


def local_array_zeroed_each_round(n: U8) -> U64:
    total = U64(0)
    for i in U64.range(U64(n % 6)):
        items = Array[U64, Literal[4]]()
        total = total * 10 + items[0]
        items[0] = i + 1
    return total


def array_copy_and_fill(value: U8) -> tuple[U8, U8, U8]:
    a = Array[U8, Literal[4]]()
    a.fill(value)
    b = a.copy()
    a[1] = U8(0)
    c = a
    c[2] = U8(1)
    return b[1], a[2], b[2]


def slice_of_array(a: U8, b: U8, i: U8) -> U64:
    _fill()
    part = STORE.words.slice()[a % 10 : b % 10]
    return part[i % 5] * 100 + part.length


def slice_of_slice(a: U8, b: U8, i: U8) -> U64:
    _fill()
    part = STORE.words.slice()[1:7][a % 4 : b % 8]
    return part[i % 7] * 100 + part.length


def slice_open_ends(a: U8) -> tuple[U64, U64, U64]:
    _fill()
    whole = STORE.words.slice()
    return whole[a % 10 :].length, whole[: a % 10].length, whole[:].length


def slice_store(i: U8, value: U64) -> U64:
    _fill()
    part = STORE.words.slice()[2:6]
    part[i % 5] = value
    part[0] += 1
    return STORE.words[2] + STORE.words[3]


def slice_iteration(a: U8) -> U64:
    _fill()
    total = U64(0)
    for word in STORE.words.slice()[a % 9 :]:
        total = total * 7 + word
    return total


def slice_iteration_of_structs() -> U32:
    _fill()
    total = U32(0)
    for pair in STORE.pairs.slice()[1:3]:
        pair.left += 100
        total += pair.right
    return total * 1000 + STORE.pairs[1].left


def slice_of_struct_elements(i: U8) -> tuple[U32, U32]:
    _fill()
    part = STORE.pairs.slice()[1:]
    part[i % 4] = Pair(U32(77), U32(78))
    pair = part[0]
    pair.left += 1
    return STORE.pairs[1].left, part[i % 3].right


def copy_from(a: U8, b: U8) -> U64:
    """Overlapping parts are moved as if through a buffer; unequal lengths panic."""
    _fill()
    STORE.words.slice()[a % 5 : a % 5 + 3].copy_from(STORE.words.slice()[b % 6 : b % 5 + 3])
    total = U64(0)
    for word in STORE.words:
        total = total * 17 + word
    return total


def slice_fill(a: U8, value: U64) -> U64:
    _fill()
    STORE.words.slice()[a % 9 : 8].fill(value % 1000)
    total = U64(0)
    for word in STORE.words:
        total = total * 3 + word
    return total


def slice_equals(a: U8, b: U8) -> bool:
    _fill()
    STORE.bytes.slice()[8:].copy_from(STORE.bytes.slice()[:8])
    STORE.bytes[b % 16] = U8(a % 4 + 100)
    return STORE.bytes.slice()[:8].equals(STORE.bytes.slice()[8:])


def slice_equals_lengths(a: U8) -> bool:
    return DIGITS[: a % 16].equals(DIGITS[0:5])


def slice_parameter(text: Slice[U8]) -> U32:
    total = U32(text.length)
    for byte in text:
        total = total.wrapping_mul(31).wrapping_add(U32(byte))
    return total


def slice_parameter_index(text: Slice[U8], i: U8) -> U8:
    return text[i]


def slice_parameter_cut(text: Slice[U8], a: U8, b: U8) -> Slice[U8]:
    return text[a:b]


def slice_field(a: U8) -> U64:
    _fill()
    STORE.view = STORE.words.slice()[a % 8 :]
    view = STORE.view
    STORE.view[0] = U64(5)
    return view[0] + STORE.view.length


def slice_from_pointer(i: U8) -> U64:
    _fill()
    view = Slice.of(Ptr.to(STORE.words).cast(U64), U64(8))
    return view[i % 10]


def read_only_data(i: U8) -> U8:
    return DIGITS[i]


def bytes_literal(i: U8) -> tuple[U8, U64]:
    text = data(b"a\x00b\xff\n")
    return text[i % 6], text.length


def result_bytes(a: U8, b: U8) -> Slice[U8]:
    return DIGITS[a % 17 : b]


def pointer_to_struct(a: U8) -> tuple[U32, U32]:
    _fill()
    p = Ptr.to(STORE.pairs[a % 5])
    p.value.left += 3
    p.value = Pair(p.value.left, U32(1))
    return STORE.pairs[a % 4].left, p.value.right


def pointer_alias(a: U8) -> U32:
    pair = Pair(U32(a), U32(0))
    pointer = Ptr.to(pair)
    alias = pointer.value
    alias.left += 1
    pair.left += 1
    return pointer.value.left


def null_pointer(use: bool) -> U32:
    pointer: Ptr[Pair] = null()
    if use:
        return pointer.value.left
    return U32(pointer.is_null())


def null_store(use: bool) -> U32:
    pointer = STORE.pointers[0]
    if use:
        pointer.value.left = U32(1)
    return U32(2)


def pointer_array(i: U8, j: U8) -> U32:
    _fill()
    STORE.pointers[1] = Ptr.to(STORE.pairs[3])
    STORE.pointers[2] = Ptr.to(STORE.pairs[i % 4])
    return STORE.pointers[j % 4].value.right


def pointer_equality(i: U8, j: U8) -> tuple[bool, bool, bool]:
    a, b = Ptr.to(STORE.pairs[i % 4]), Ptr.to(STORE.pairs[j % 4])
    return a == b, a != b, a == null()


def pointer_offset(i: U8) -> U32:
    _fill()
    first = Ptr.to(STORE.pairs[0])
    last = first.offset(3)
    return first.offset(U64(i % 4)).value.right * 100 + last.offset(I64(0) - I64(i % 4)).value.left


def pointer_scalar(value: U64) -> U64:
    _fill()
    word = Ptr.to(STORE.words).cast(U64).offset(2)
    word.value = value
    word.value //= 2
    return STORE.words[2]


def pointer_cast(value: U64) -> tuple[U8, U8, U16]:
    """The bytes of a word, lowest first."""
    STORE.words[0] = value
    at = Ptr.to(STORE.words).cast(U8)
    return at.value, at.offset(7).value, at.offset(2).cast(U16).value


def pointer_addresses(i: U8) -> U64:
    first, other = Ptr.to(STORE.pairs[0]), Ptr.to(STORE.pairs[i % 4])
    return other.address.distance(first.address)


def pointer_at(i: U8) -> U32:
    _fill()
    address: VirtAddr = Ptr.to(STORE.pairs[0]).address.offset(U64(i % 4) * U64(size_of(Pair)))
    return Ptr.at(Pair, address).value.right


def pointer_parameter(a: U8) -> U32:
    pair = Pair(U32(a), U32(2))
    _increase(Ptr.to(pair))
    return pair.left


def _increase(pointer: Ptr[Pair]) -> None:
    pointer.value.left += 1


def signed_elements(a: I8, b: I8) -> I8:
    items = Array[I8, Literal[2]]()
    items[0], items[1] = a, b
    if items[0] < items[1]:
        return items[0] // items[1]
    return items[1] >> 2


def bool_elements(i: U8, value: bool) -> U32:
    flags = Array[bool, Literal[3]]()
    flags[i % 4] = value
    count = U32(0)
    for flag in flags:
        if flag:
            count += 1
    return count


def length_is_constant() -> U64:
    return STORE.words.length * 100 + U64(size_of(Store))


def sieve(n: U8) -> U64:
    composite = Array[bool, Literal[256]]()
    count = U64(0)
    for i in U64.range(2, U64(n)):
        if composite[i]:
            continue
        count += 1
        for j in U64.range(i * i, 256, 1):
            if j % i == 0:
                composite[j] = True
    return count


def sort(text: Slice[U8]) -> Slice[U8]:
    """Insertion sort of at most 16 bytes in static memory."""
    used = STORE.bytes.slice()[: min(text.length, U64(16))]
    used.copy_from(text[: used.length])
    for i in U64.range(1, used.length):
        j = i
        while j > 0 and used[j - 1] > used[j]:
            used[j - 1], used[j] = used[j], used[j - 1]
            j -= 1
    return used

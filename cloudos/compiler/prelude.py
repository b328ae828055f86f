"""The C text every translation unit starts with: types, checked arithmetic, and the panic that a failed check calls.

Each operation that can fail takes a ``site``: file index << 16 | line, in the low 28 bits. The operation adds the
kind of panic in the top four bits and calls ``cloudos_panic``, which never returns. Operations are inlined without
debug information of their own, so that debuggers attribute their instructions to the Python line that used them.

Naming: ``add_u8(a, b, site)``, ``conv_u8_i16(value, site)`` (from u8 to i16), ``wrapping_add_u8(a, b)``. Shift and
rotation counts have the type of the value.
"""

from __future__ import annotations

INTEGERS: dict[str, tuple[int, bool]] = {
    "u8": (8, False),
    "u16": (16, False),
    "u32": (32, False),
    "u64": (64, False),
    "i8": (8, True),
    "i16": (16, True),
    "i32": (32, True),
    "i64": (64, True),
}
"""C name of every integer type: (bits, signed)."""

PANIC_KINDS: dict[str, int] = {
    "EXPLICIT": 1,
    "OVERFLOW": 2,
    "DIVIDE_BY_ZERO": 3,
    "BAD_SHIFT": 4,
    "LOSSY_CONVERSION": 5,
    "INDEX": 6,
    "NULL": 7,
    "ASSERTION": 8,
    "UNREACHABLE": 9,
    "BAD_ENUM": 10,
    "OUT_OF_MEMORY": 13,
    "STACK": 15,
}
"""The kinds compiled code can panic with; numbers as in ``cloudos.lang.PanicKind``."""

_HEAD = """\
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long i64;
typedef float f32;
typedef double f64;
typedef struct { void *pointer; u64 length; } slice_t;
_Static_assert(sizeof(u64) == 8 && sizeof(void *) == 8, "64-bit targets only");

#define LIKELY(c) __builtin_expect(!!(c), 1)
#define UNLIKELY(c) __builtin_expect(!!(c), 0)
#define OPERATION static inline __attribute__((always_inline, nodebug, unused))
#define HIDDEN __attribute__((visibility("hidden")))

HIDDEN __attribute__((cold, noreturn)) void cloudos_panic(u32 site);
HIDDEN __attribute__((cold, noreturn)) void cloudos_panic_message(u32 site, const u8 *text, u64 length);
HIDDEN void *memcpy(void *to, const void *from, u64 length);
HIDDEN void *memmove(void *to, const void *from, u64 length);
HIDDEN void *memset(void *to, int value, u64 length);
HIDDEN int memcmp(const void *left, const void *right, u64 length);
#if defined(CLOUDOS_PANIC_TRAP) && defined(__OPTIMIZE__)
/* Nothing but the trapping instruction is loaded: which site an address is stands in a section for the tools. */
#ifdef __x86_64__
#define TRAPPING "ud2"
#else
#define TRAPPING "brk #1"
#endif
#define PANIC_SAYING(word, bytes) do { \\
    __asm__ volatile("1: " TRAPPING "\\n.pushsection cloudos_sites,\\"\\",%%progbits\\n" \\
                     ".quad 1b, 1b\\n.long %c0\\n.byte " bytes "0\\n.popsection" : : "i"(word)); \\
    __builtin_unreachable(); } while (0)
#define PANIC_AT(word) PANIC_SAYING(word, "")
#define PANIC_TEXT(word, text, bytes) PANIC_SAYING(word, bytes)
#else
#define PANIC_AT(word) cloudos_panic(word)
#define PANIC_TEXT(word, text, bytes) cloudos_panic_text(word, text)
#endif
#define PANIC(kind, site) PANIC_AT(((u32)PANIC_##kind << 28) | (site))
"""

_TAIL = """\
OPERATION u64 index_check(u64 index, u64 length, u32 site) {
    if (UNLIKELY(index >= length)) PANIC(INDEX, site);
    return index;
}
OPERATION slice_t slice_cut(slice_t s, u64 from, u64 to, u64 element_size, u32 site) {
    if (UNLIKELY(from > to || to > s.length)) PANIC(INDEX, site);
    return (slice_t){(u8 *)s.pointer + from * element_size, to - from};
}
OPERATION void slice_copy(slice_t to, slice_t from, u64 element_size, u32 site) {
    if (UNLIKELY(to.length != from.length)) PANIC(INDEX, site);
    memmove(to.pointer, from.pointer, to.length * element_size);
}
OPERATION _Bool slice_equal(slice_t a, slice_t b, u64 element_size) {
    return a.length == b.length && memcmp(a.pointer, b.pointer, a.length * element_size) == 0;
}
OPERATION void *nonnull(void *pointer, u32 site) {
    if (UNLIKELY(!pointer)) PANIC(NULL, site);
    return pointer;
}
/* Where nothing is ever mapped in the first 64 KB, the processor itself refuses an access to an object at null. */
OPERATION void *nonnull_object(void *pointer, u64 size, u32 site) {
#ifdef CLOUDOS_FIRST_ADDRESSES_UNMAPPED
    if (size <= 65536) return pointer;
#endif
    return nonnull(pointer, site);
}
"""

_INTEGER = """\
OPERATION T add_T(T a, T b, u32 site) {
    T r;
    if (UNLIKELY(__builtin_add_overflow(a, b, &r))) PANIC(OVERFLOW, site);
    return r;
}
OPERATION T sub_T(T a, T b, u32 site) {
    T r;
    if (UNLIKELY(__builtin_sub_overflow(a, b, &r))) PANIC(OVERFLOW, site);
    return r;
}
OPERATION T mul_T(T a, T b, u32 site) {
    T r;
    if (UNLIKELY(__builtin_mul_overflow(a, b, &r))) PANIC(OVERFLOW, site);
    return r;
}
OPERATION T shl_T(T a, T n, u32 site) {
    if (UNLIKELY((u64)n >= BITS)) PANIC(BAD_SHIFT, site);
    T r = (T)((U)a << n);
    if (UNLIKELY((T)(r >> n) != a)) PANIC(OVERFLOW, site);
    return r;
}
OPERATION T shr_T(T a, T n, u32 site) {
    if (UNLIKELY((u64)n >= BITS)) PANIC(BAD_SHIFT, site);
    return (T)(a >> n);
}
OPERATION T wrapping_add_T(T a, T b) { return (T)((U)a + (U)b); }
OPERATION T wrapping_sub_T(T a, T b) { return (T)((U)a - (U)b); }
OPERATION T wrapping_mul_T(T a, T b) { return (T)((u64)a * (u64)b); }
OPERATION T wrapping_neg_T(T a) { return (T)(0 - (U)a); }
OPERATION T wrapping_shl_T(T a, T n, u32 site) {
    if (UNLIKELY((u64)n >= BITS)) PANIC(BAD_SHIFT, site);
    return (T)((U)a << n);
}
OPERATION T saturating_add_T(T a, T b) {
    T r;
    return __builtin_add_overflow(a, b, &r) ? (b < 0 ? MIN_T : MAX_T) : r;
}
OPERATION T saturating_sub_T(T a, T b) {
    T r;
    return __builtin_sub_overflow(a, b, &r) ? (SIGNED && b < 0 ? MAX_T : MIN_T) : r;
}
OPERATION T saturating_mul_T(T a, T b) {
    T r;
    return __builtin_mul_overflow(a, b, &r) ? ((a < 0) != (b < 0) ? MIN_T : MAX_T) : r;
}
OPERATION T rotl_T(T a, T n) {
    u32 m = (u32)n & (BITS - 1);
    return (T)((U)((U)a << m) | (U)((U)a >> ((BITS - m) & (BITS - 1))));
}
OPERATION T rotr_T(T a, T n) {
    u32 m = (u32)n & (BITS - 1);
    return (T)((U)((U)a >> m) | (U)((U)a << ((BITS - m) & (BITS - 1))));
}
OPERATION u32 clz_T(T a) { return (U)a ? (u32)__builtin_clzl((u64)(U)a) - (64 - BITS) : BITS; }
OPERATION u32 ctz_T(T a) { return (U)a ? (u32)__builtin_ctzl((u64)(U)a) : BITS; }
OPERATION u32 popcount_T(T a) { return (u32)__builtin_popcountl((u64)(U)a); }
OPERATION T bswap_T(T a) { return (T)BSWAP; }
OPERATION _Bool bit_T(T a, T n, u32 site) {
    if (UNLIKELY((u64)n >= BITS)) PANIC(BAD_SHIFT, site);
    return ((U)a >> n) & 1;
}
OPERATION T min_T(T a, T b) { return b < a ? b : a; }
OPERATION T max_T(T a, T b) { return b > a ? b : a; }
"""

_UNSIGNED = """\
OPERATION T floordiv_T(T a, T b, u32 site) {
    if (UNLIKELY(!b)) PANIC(DIVIDE_BY_ZERO, site);
    return (T)(a / b);
}
OPERATION T mod_T(T a, T b, u32 site) {
    if (UNLIKELY(!b)) PANIC(DIVIDE_BY_ZERO, site);
    return (T)(a % b);
}
"""

# C truncates towards zero: a remainder whose sign differs from the divisor's moves quotient and remainder one step.
# MIN % -1 is 0 in Python and a trap on x86.
_SIGNED = """\
OPERATION T neg_T(T a, u32 site) {
    if (UNLIKELY(a == MIN_T)) PANIC(OVERFLOW, site);
    return (T)-a;
}
OPERATION T floordiv_T(T a, T b, u32 site) {
    if (UNLIKELY(!b)) PANIC(DIVIDE_BY_ZERO, site);
    if (UNLIKELY(a == MIN_T && b == -1)) PANIC(OVERFLOW, site);
    T q = (T)(a / b), r = (T)(a % b);
    return (T)(q - (r && (r < 0) != (b < 0)));
}
OPERATION T mod_T(T a, T b, u32 site) {
    if (UNLIKELY(!b)) PANIC(DIVIDE_BY_ZERO, site);
    if (b == -1) return 0;
    T r = (T)(a % b);
    return (T)(r && (r < 0) != (b < 0) ? r + b : r);
}
"""

# From 2**52 (2**23) on every float is whole. The comparison is false for NaN, which is returned as it came.
_FLOAT = """\
OPERATION F floor_F(F a) {
    F magnitude = __builtin_fabs##S(a);
    if (!(magnitude < WHOLE)) return a;
    F whole = (F)(i64)a;
    return __builtin_copysign##S(whole > a ? whole - 1 : whole, a);
}
OPERATION F sqrt_F(F a) { return __builtin_sqrt##S(a); }
OPERATION _Bool is_nan_F(F a) { return a != a; }
OPERATION BITS_TYPE bits_F(F a) { return __builtin_bit_cast(BITS_TYPE, a); }
OPERATION F from_bits_F(BITS_TYPE a) { return __builtin_bit_cast(F, a); }
OPERATION F min_F(F a, F b) { return b < a ? b : a; }
OPERATION F max_F(F a, F b) { return b > a ? b : a; }
"""


def _conversion(source: str, to: str) -> str:
    """A checked conversion: fits when it survives the round trip and keeps its sign."""
    (from_bits, from_signed), (to_bits, to_signed) = INTEGERS[source], INTEGERS[to]
    head = f"OPERATION {to} conv_{source}_{to}({source} value, u32 site) {{ "
    widening = to_bits > from_bits if to_signed and not from_signed else to_bits >= from_bits
    if widening and (to_signed or not from_signed):
        return f"{head}return ({to})value; }}\n"
    wrong = [] if to_bits >= from_bits else [f"({source})({to})value != value"]
    if from_signed and not to_signed:
        wrong.append("value < 0")
    if to_signed and not from_signed:
        wrong.append(f"({to})value < 0")
    return f"{head}if (UNLIKELY({' || '.join(wrong)})) PANIC(LOSSY_CONVERSION, site); return ({to})value; }}\n"


def _float_conversion(source: str, to: str) -> str:
    """``truncate_F_T``: towards zero; the limits are powers of two and so exact in both float types.

    Below: a float above MIN - 1 truncates to MIN or more; MIN - 1 itself may not be a float, so the test is made on
    the truncated value when the float type is wide enough and on the limit otherwise.
    """
    bits, signed = INTEGERS[to]
    top = f"0x1p{bits - 1 if signed else bits}"
    mantissa = 53 if source == "f64" else 24
    if not signed:
        bottom = "value > -1"
    elif bits < mantissa:
        bottom = f"value > -0x1p{bits - 1} - 1"
    else:
        bottom = f"value >= -0x1p{bits - 1}"
    return (
        f"OPERATION {to} truncate_{source}_{to}({source} value, u32 site) {{ "
        f"if (UNLIKELY(!(value < {top} && {bottom}))) PANIC(LOSSY_CONVERSION, site); return ({to})value; }}\n"
    )


def _integer(name: str) -> str:
    bits, signed = INTEGERS[name]
    lowest = f"((i64)(-0x7fffffffffffffffl - 1) >> {64 - bits})" if signed else "0"
    highest = f"(0x7fffffffffffffffl >> {64 - bits})" if signed else f"(0xfffffffffffffffful >> {64 - bits})"
    swap = "a" if bits == 8 else f"__builtin_bswap{bits}((U)a)"
    text = _INTEGER + (_SIGNED if signed else _UNSIGNED)
    text = text.replace("MIN_T", f"(({name}){lowest})").replace("MAX_T", f"(({name}){highest})")
    text = text.replace("BSWAP", swap).replace("BITS", str(bits)).replace("SIGNED", str(int(signed)))
    # The names T and U stand alone or after an underscore, never inside a word.
    text = text.replace("_T(", f"_{name}(").replace("(U)", f"(u{bits})")
    for before in ("(", " "):
        for after in (")", " "):
            text = text.replace(f"{before}T{after}", f"{before}{name}{after}")
    return text


def _float(name: str) -> str:
    bits, suffix, whole = (64, "", "0x1p52") if name == "f64" else (32, "f", "0x1p23f")
    text = _FLOAT.replace("##S", suffix).replace("WHOLE", whole).replace("BITS_TYPE", f"u{bits}")
    text = text.replace("_F(", f"_{name}(").replace("(F)", f"({name})").replace("(F, ", f"({name}, ")
    return text.replace(" F ", f" {name} ").replace("(F a", f"({name} a")


def prelude() -> str:
    """The whole header. Floats stand behind ``CLOUDOS_FLOAT``, which kernel targets do not define."""
    parts = [f"#define PANIC_{kind} {number}\n" for kind, number in PANIC_KINDS.items()]
    parts.append(_HEAD)
    parts += [_integer(name) for name in INTEGERS]
    parts += [_conversion(source, to) for source in INTEGERS for to in INTEGERS]
    parts.append(_TAIL)
    parts.append("#ifdef CLOUDOS_FLOAT\n")
    parts += [_float(name) for name in ("f32", "f64")]
    parts += [_float_conversion(source, to) for source in ("f32", "f64") for to in INTEGERS]
    parts.append("#endif\n")
    return "".join(parts)


PRELUDE: str = prelude()

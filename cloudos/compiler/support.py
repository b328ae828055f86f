"""The four functions that clang calls behind a program's back, as the text of one C unit.

clang lowers struct copies and zeroing to ``memcpy``, ``memmove``, ``memset`` and ``memcmp`` even in freestanding
code. They move eight bytes at a time; the first or last word is loaded before the loop and stored after it, which
covers the odd bytes without a byte loop and keeps overlapping moves right. CLOUDOS_SHORT_SUPPORT, for kernels, chooses
short loops, on x86_64 instructions that are loops by themselves: 400 bytes less, slower for a few bytes.
"""

from __future__ import annotations

SUPPORT_NAME = "cloudos.support"
"""Name of the unit; :func:`cloudos.compiler.build.build` adds it to every link."""

SHORT = "-DCLOUDOS_SHORT_SUPPORT=1"
"""The flag of targets where size counts for more than speed."""


def support_flags(flags: tuple[str, ...]) -> tuple[str, ...]:
    """The unit's flags: its own after all others.

    Its loops must not be recognised as the functions they implement, and it must be an ordinary object because
    link-time optimisation may ask for these functions after it has read them.
    """
    return (*flags, "-Oz" if SHORT in flags else "-O2", "-fno-builtin", "-fno-lto")


SUPPORT_SOURCE = r"""
typedef unsigned char u8;
typedef unsigned long u64;
typedef u64 word __attribute__((aligned(1), may_alias));
typedef unsigned int half __attribute__((aligned(1), may_alias));
typedef unsigned short quarter __attribute__((aligned(1), may_alias));
#define HIDDEN __attribute__((visibility("hidden"), used))

#ifndef CLOUDOS_SHORT_SUPPORT
/* Up to seven bytes: two loads that may overlap, both before any store. */
static inline void move_short(u8 *to, const u8 *from, u64 length) {
    if (length >= 4) {
        half first = *(const half *)from, last = *(const half *)(from + length - 4);
        *(half *)to = first;
        *(half *)(to + length - 4) = last;
    } else if (length >= 2) {
        quarter first = *(const quarter *)from, last = *(const quarter *)(from + length - 2);
        *(quarter *)to = first;
        *(quarter *)(to + length - 2) = last;
    } else if (length) {
        *to = *from;
    }
}

static inline void move_forward(u8 *to, const u8 *from, u64 length) {
    if (length < 8) { move_short(to, from, length); return; }
    word last = *(const word *)(from + length - 8);
    u8 *end = to + length - 8;
#if defined(__x86_64__)
    if (length >= 128) {
        u64 words = (length - 1) >> 3;
        __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
        *(word *)end = last;
        return;
    }
#endif
    for (; to < end; to += 8, from += 8) *(word *)to = *(const word *)from;
    *(word *)end = last;
}

static inline void move_backward(u8 *to, const u8 *from, u64 length) {
    if (length < 8) { move_short(to, from, length); return; }
    word first = *(const word *)from;
    u64 at = length;
    for (; at > 8; at -= 8) *(word *)(to + at - 8) = *(const word *)(from + at - 8);
    *(word *)to = first;
}

HIDDEN void *memcpy(void *to, const void *from, u64 length) {
    move_forward(to, from, length);
    return to;
}

HIDDEN void *memmove(void *to, const void *from, u64 length) {
    if ((u64)to - (u64)from >= length) move_forward(to, from, length);
    else move_backward(to, from, length);
    return to;
}

HIDDEN void *memset(void *to, int value, u64 length) {
    u8 *at = to;
    u64 pattern = (u8)value * 0x0101010101010101ul;
    if (length < 8) {
        for (u8 *end = at + length; at < end; at++) *at = (u8)value;
        return to;
    }
    u8 *end = at + length - 8;
#if defined(__x86_64__)
    if (length >= 128) {
        u64 words = (length - 1) >> 3;
        __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern) : "memory");
        *(word *)end = pattern;
        return to;
    }
#endif
    for (; at < end; at += 8) *(word *)at = pattern;
    *(word *)end = pattern;
    return to;
}
#elif defined(__x86_64__)
/* Where size counts for more: words, then what is left, in the processor's own loops. */
static inline void move_forward_shortly(void *to, const void *from, u64 length) {
    u64 count = length >> 3;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    count = length & 7;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

HIDDEN void *memcpy(void *to, const void *from, u64 length) {
    move_forward_shortly(to, from, length);
    return to;
}

HIDDEN void *memmove(void *to, const void *from, u64 length) {
    if ((u64)to - (u64)from >= length) {
        move_forward_shortly(to, from, length);
        return to;
    }
    u8 *last = (u8 *)to + length - 8;
    const u8 *source = (const u8 *)from + length - 8;
    u64 count = length >> 3;
    __asm__ volatile("std; rep movsq; addq $7, %0; addq $7, %1; movl %k3, %k2; rep movsb; cld"
                     : "+D"(last), "+S"(source), "+c"(count) : "r"(length & 7) : "memory", "cc");
    return to;
}

HIDDEN void *memset(void *to, int value, u64 length) {
    void *at = to;
    u64 count = length >> 3;
    u64 pattern = (u8)value * 0x0101010101010101ul;
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(count) : "a"(pattern) : "memory");
    count = length & 7;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(pattern) : "memory");
    return to;
}
#else
/* Where size counts for more: one loop, and what is left by the bits of its length. */
#define LEFT_OF(count, bit, move) "tbz " count ", #" bit ", 3f; " move "; 3: "
#define LEFT(bit, move) LEFT_OF("%2", bit, move)

HIDDEN __attribute__((noinline)) void *memcpy(void *to, const void *from, u64 length) {
    void *at = to;
    u64 first, second;
    __asm__ volatile("1: subs %2, %2, #32; b.lo 2f; ldp %3, %4, [%1], #16; stp %3, %4, [%0], #16; "
                     "ldp %3, %4, [%1], #16; stp %3, %4, [%0], #16; b 1b; 2: "
                     LEFT("4", "ldp %3, %4, [%1], #16; stp %3, %4, [%0], #16")
                     LEFT("3", "ldr %3, [%1], #8; str %3, [%0], #8")
                     LEFT("2", "ldr %w3, [%1], #4; str %w3, [%0], #4")
                     LEFT("1", "ldrh %w3, [%1], #2; strh %w3, [%0], #2")
                     LEFT("0", "ldrb %w3, [%1]; strb %w3, [%0]")
                     : "+r"(at), "+r"(from), "+r"(length), "=&r"(first), "=&r"(second) : : "memory", "cc");
    return to;
}

HIDDEN void *memmove(void *to, const void *from, u64 length) {
    if ((u64)to - (u64)from >= length) return memcpy(to, from, length);
    for (; length & 7; length--) ((u8 *)to)[length - 1] = ((const u8 *)from)[length - 1];
    for (; length; length -= 8) *(word *)((u8 *)to + length - 8) = *(const word *)((const u8 *)from + length - 8);
    return to;
}

HIDDEN void *memset(void *to, int value, u64 length) {
    void *at = to;
    u64 pattern = (u8)value * 0x0101010101010101ul;
    __asm__ volatile("1: subs %1, %1, #32; b.lo 2f; stp %2, %2, [%0], #16; stp %2, %2, [%0], #16; b 1b; 2: "
                     LEFT_OF("%1", "4", "stp %2, %2, [%0], #16") LEFT_OF("%1", "3", "str %2, [%0], #8")
                     LEFT_OF("%1", "2", "str %w2, [%0], #4")
                     LEFT_OF("%1", "1", "strh %w2, [%0], #2") LEFT_OF("%1", "0", "strb %w2, [%0]")
                     : "+r"(at), "+r"(length) : "r"(pattern) : "memory", "cc");
    return to;
}
#endif

HIDDEN int memcmp(const void *left, const void *right, u64 length) {
    const u8 *a = left, *b = right;
    u64 at = 0;
#ifndef CLOUDOS_SHORT_SUPPORT
    while (at + 8 <= length && *(const word *)(a + at) == *(const word *)(b + at)) at += 8;
#endif
    for (; at < length; at++)
        if (a[at] != b[at]) return a[at] < b[at] ? -1 : 1;
    return 0;
}
"""

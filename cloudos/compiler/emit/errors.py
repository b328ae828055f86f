"""C text that names errors and the places where they were raised, for programs that report them."""

from __future__ import annotations

from cloudos.compiler.program import Program


def writers(program: Program, write: str) -> str:
    """`write_error_name` and `write_error_place`; `write` is the C text that writes the slice DATA to `sink`."""
    cases = " ".join(f'case {code}: SAY("{error.__name__}")' for error, code in program.errors.items())
    files = ", ".join(f'"{name}"' for name in program.files)
    return f"""
u32 LAST_RAISED;
static u32 write_data(const void *data, u64 length, proto_t sink) {{
    slice_t text = {{(void *)data, length}};
    {write.replace("DATA", "text")}
}}
#define SAY(name) return write_data(name, sizeof name - 1, sink);
u32 write_error_name(const void *code, proto_t sink) {{
    switch ((u64)code) {{ {cases} default: SAY("Error") }}
}}
u32 write_error_place(const void *site, proto_t sink) {{
    static const char *const files[] = {{ {files} }};
    u32 word = (u32)(u64)site, length = 0, line = word & 0xffff, at = sizeof(u64);
    const char *name = files[word >> 16 & 0xfff];
    while (name[length]) length++;
    u32 error = write_data(name, length, sink);
    u8 digits[sizeof(u64)];
    do digits[--at] = (u8)('0' + line % 10); while (line /= 10);
    digits[--at] = ':';
    return error ? error : write_data(digits + at, sizeof digits - at, sink);
}}
"""


__all__ = ["writers"]

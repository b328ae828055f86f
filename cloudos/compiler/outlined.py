"""Calls of outlined code that keep the return address where nobody needs a register, in assembly text of AArch64.

LLVM's outliner lets a function that calls no other keep its return address in a register that is free there by the
calling convention:

        mov x0, x30                           str x30, [sp, #-16]!
        bl OUTLINED_FUNCTION_7    becomes     bl OUTLINED_FUNCTION_7
        mov x30, x0                           ldr x30, [sp], #16

But it comes after register allocation across functions (`--enable-ipra`), which may have promised a caller that this
function leaves the register alone. The stack is nobody's.
"""

from __future__ import annotations

import re

# Labels and lines for debuggers stand between instructions.
QUIET = r"((?:\.L\w+:\n|\t\.loc\t.*\n)*)"
KEPT = re.compile(rf"\tmov\t(x\d+), x30\n{QUIET}\tbl\t(OUTLINED_FUNCTION_\w+)(.*\n){QUIET}\tmov\tx30, \1\n")
BODY = re.compile(r"^(OUTLINED_FUNCTION_\w+):.*\n((?:.*\n)*?)\.Lfunc_end", re.MULTILINE)
STACK = re.compile(r"\bw?sp\b")


def keep_on_stack(text: str) -> str:
    """The same program, without the promise broken. Raises ValueError where outlined code looks at the stack itself."""
    looks = {name for name, body in BODY.findall(text) if STACK.search(re.sub(r"//.*", "", body))}

    def moved(found: re.Match[str]) -> str:
        if found[3] in looks:
            raise ValueError(f"{found[3]} finds something else on the stack when a return address is there")
        return f"\tstr\tx30, [sp, #-16]!\n{found[2]}\tbl\t{found[3]}{found[4]}{found[5]}\tldr\tx30, [sp], #16\n"

    return KEPT.sub(moved, text)

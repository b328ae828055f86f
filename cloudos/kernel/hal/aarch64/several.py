"""The entry into the kernel where there are several processors."""

from __future__ import annotations

from cloudos.kernel.hal.aarch64.processor import FRAME
from cloudos.kernel.hal.shared.lock import HOME, OUTSIDE

# In a UserFrame: where it says why the kernel was entered, and for a system call.
VECTOR, SYSTEM_CALL = 272, 1026
TEXT = f"""\
// What is called when there are several processors, see `processors.prepare`: comes into the kernel and leaves it, as
// `shared/lock.py` says. Where somebody keeps it out, a thread may be stopped meanwhile: it does nothing then, and
// all of another one's registers are loaded.
locked_user_trap:
  adr x1, kernel_user_trap
  b 1f
locked_system_call:
  adr x1, kernel_system_call
1:
  stp x30, x1, [sp, #-16]!
  mov w10, #{HOME}
  stlr w10, [x18]
  // The architecture keeps these in order; emulators that run on x86 do not.
  dmb ish
  add x11, x18, #4
  ldar w10, [x11]
  cbnz w10, 4f
2:
  blr x1
3:
  ldr w10, [x18]
  // Who keeps others out borrows.
  subs w10, w10, #{HOME - OUTSIDE}
  b.lo 5f
  stlr w10, [x18]
  ldr x30, [sp], #16
  ret
4:
  adr x9, kernel_system_call
  cmp x1, x9
  b.ne 6f
  mov x9, #{SYSTEM_CALL}
  str x9, [x0, #{VECTOR}]
6:
  bl kernel_enter
  tbnz w0, #0, 3b
  ldr x0, [x18, #{FRAME}]
  ldr x1, [sp, #8]
  b 2b
5:
  str x0, [sp, #8]
  bl kernel_leave
  ldp x30, x0, [sp], #16
  ret
"""

"""Messages as a program sends and receives them: a tag, eight words, and what lies in the thread's message buffer.

    request = Message()
    request.set(U64(LABEL), U64(2))
    request.words[0] = U64(40)
    request.words[1] = U64(2)
    call(endpoint, request)             # request now holds the reply

    served = Message()
    receive(endpoint, served)
    while True:
        served.words[0] = served.words[0] + served.words[1]
        served.set(U64(0), U64(1))
        reply_and_receive(endpoint, served)

Tags: `cloudos.abi.tags`. Errors are those of the system calls of the same names.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import tags
from cloudos.abi.errors import numbered
from cloudos.abi.system_calls import SYSTEM_CALLS, SystemCall
from cloudos.lang import U64, Array, Assembly, Ptr, VirtAddr, external, generate, struct, zeroed
from cloudos.sdk import models

__all__ = ["Message", "call", "receive", "reply", "reply_and_receive", "send"]


@struct
class Message:
    """What travels in registers. `badge` and `reply` are set by receiving: who sent it, and how to answer a call."""

    tag: U64 = U64(0)
    words: Array[U64, Literal[8]] = zeroed()
    badge: U64 = U64(0)
    reply: U64 = U64(0)

    def set(self, label: U64, words: U64) -> None:
        """Become a message of so many words, without handles or bytes."""
        self.tag = label << tags.LABEL_SHIFT | words

    @property
    def label(self) -> U64:
        """What the sender calls it."""
        return self.tag >> tags.LABEL_SHIFT

    @property
    def is_from_kernel(self) -> bool:
        """Signals or a fault, see `cloudos.abi.tags`; no program can send such."""
        return self.tag & tags.FROM_KERNEL != 0


# rdi: Message, rsi: number, rdx: handle. The message's address waits on the stack: after SYSCALL rcx is free for it.
ENTER = Assembly(
    "message_enter",
    x86_64="""
.text
.globl message_enter
message_enter:
  pushq %rbp
  movq %rsp, %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  pushq %rdi
  movq %rdi, %rcx
  movq %rsi, %rax
  movq %rdx, %rdi
  movq (%rcx), %rsi
  movq 8(%rcx), %rdx
  movq 16(%rcx), %r10
  movq 24(%rcx), %r8
  movq 32(%rcx), %r9
  movq 40(%rcx), %r12
  movq 48(%rcx), %r13
  movq 56(%rcx), %r14
  movq 64(%rcx), %r15
  movq 80(%rcx), %rbx
  syscall
  popq %rcx
  testq %rax, %rax
  jnz 1f
  movq %rsi, (%rcx)
  movq %rdx, 8(%rcx)
  movq %r10, 16(%rcx)
  movq %r8, 24(%rcx)
  movq %r9, 32(%rcx)
  movq %r12, 40(%rcx)
  movq %r13, 48(%rcx)
  movq %r14, 56(%rcx)
  movq %r15, 64(%rcx)
  movq %rdi, 72(%rcx)
  movq %rbx, 80(%rcx)
1:
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
""",
    aarch64="""
.text
.globl message_enter
message_enter:
  stp x29, x30, [sp, #-32]!
  mov x29, sp
  str x0, [sp, #16]
  mov x16, x0
  mov x8, x1
  mov x0, x2
  ldr x1, [x16]
  ldp x2, x3, [x16, #8]
  ldp x4, x5, [x16, #24]
  ldp x6, x7, [x16, #40]
  ldp x9, x10, [x16, #56]
  ldr x11, [x16, #80]
  svc #0
  ldr x16, [sp, #16]
  cbnz x0, 1f
  str x1, [x16]
  stp x2, x3, [x16, #8]
  stp x4, x5, [x16, #24]
  stp x6, x7, [x16, #40]
  stp x9, x10, [x16, #56]
  str x12, [x16, #72]
  str x11, [x16, #80]
1:
  ldp x29, x30, [sp], #32
  ret
""",
)


@external(ENTER, "message_enter")
def enter(message: VirtAddr, number: U64, handle: U64) -> U64:
    """Make a system call with a Message in the registers; the error. When that is 0, what came back is in it."""
    model = models.current()
    if int(handle) in model.services:
        return model.message_enter(Ptr.at(Message, message).value, number, handle)
    from cloudos.sdk import local_calls

    return local_calls.enter(message, number, handle)


def _declared(name: str) -> SystemCall:
    return next(call for call in SYSTEM_CALLS if call.name == name)


def _source(name: str, call: SystemCall) -> str:
    """The text of a function that makes one of the calls."""
    lines = [f"def {name}(handle: U64, message: Message) -> None:"]
    lines.append(f"    error = enter(Ptr.to(message).address, U64({call.number}), handle)")
    lines += ["    if error == 0:", "        return"]
    for error in call.raises:
        lines += [f"    if error == {error.code}:", f"        raise {error.__name__}"]
    lines.append(f'    assert False, "{call.name} failed in a way that it does not declare"')
    return "\n".join(lines) + "\n"


_ERRORS = {error.__name__: error for _, error in numbered()}
_NAMES = {**_ERRORS, "enter": enter, "Ptr": Ptr, "U64": U64, "Message": Message, "__name__": __name__}
_call = generate(_source("call", _declared("message_call")), "call", _NAMES)
_send = generate(_source("send", _declared("message_send")), "send", _NAMES)
_receive = generate(_source("receive", _declared("message_receive")), "receive", _NAMES)
_reply = generate(_source("reply", _declared("message_reply")), "reply", _NAMES)
_reply_receive = generate(_source("reply_receive", _declared("message_reply_receive")), "reply_receive", _NAMES)


def call(endpoint: U64, message: Message) -> None:
    """Send `message` and wait for the reply, which replaces it."""
    _call(endpoint, message)


def send(endpoint: U64, message: Message) -> None:
    """Send `message` and wait until somebody has received it."""
    sent = message.tag
    _send(endpoint, message)
    message.tag = sent


def receive(endpoint: U64, message: Message) -> None:
    """Wait for a message, which replaces `message`."""
    message.tag = message.tag & tags.RECEIVE
    _receive(endpoint, message)


def reply(message: Message) -> None:
    """Answer the call that `message.reply` names."""
    handle = message.reply
    _reply(handle, message)


def reply_and_receive(endpoint: U64, message: Message) -> None:
    """Answer the call that `message.reply` names, 0 for none, and wait for the next message, which replaces it."""
    _reply_receive(endpoint, message)

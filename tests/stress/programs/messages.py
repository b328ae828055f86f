"""Messages by the million, each checked: from three clients to two servers, in this process and in others.

Both ends of a client's way to a server draw the same numbers from the same seed: what comes next, its words, bytes and
handles. So a message that is lost, doubled, changed or given to somebody else is noticed at once, by an assertion.
Arguments: how many messages each client sends, and the seed.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import tags
from cloudos.abi.errors import BadHandle, WouldBlock
from cloudos.abi.messages import MessageBuffer
from cloudos.lang import U32, U64, Array, Ptr, VirtAddr, code_address, place, struct, zeroed
from cloudos.sdk import List, Text, print, system
from cloudos.sdk.ipc import Message, call, receive, reply, reply_and_receive, send
from cloudos.sdk.processes import Child
from cloudos.sdk.threads import start
from tests.stress.programs.support import (
    FREE_PAGES,
    NEVER,
    PROCESS,
    QUOTA,
    Random,
    number,
    quota_used,
)

CLIENTS = 3
SERVERS = 2
# What is first sent with a badge is not a message of the stream.
LABEL_SETUP = 0xFFFF_0001
LABEL_REPORT = 0xFFFF_0002
SEND_RIGHTS = 128 | 16384
SERVER_RIGHTS = 256
SIGNAL = 512
WAIT = 1024
# DERIVE, TRANSFER: what a handle needs to travel.
CARRIED = 1 | 2
KIND_ENDPOINT = 3


@struct
class Plan:
    """One message, as both ends know it. `label` is never one of the two above: its highest bit is clear."""

    random: Random = zeroed()
    is_call: bool = False
    signals: bool = False
    words: U64 = U64(0)
    handles: U64 = U64(0)
    moves: U64 = U64(0)
    bytes: U64 = U64(0)
    label: U64 = U64(0)

    def draw(self) -> None:
        """The next message of the stream."""
        kind = self.random.below(U64(16))
        self.is_call = kind != 8 and kind != 9 and kind != 10 and kind != 12 and kind != 14
        self.signals = kind == 15
        self.words = self.random.below(U64(9))
        self.handles = U64(0)
        self.bytes = U64(0)
        if kind == 11 or kind == 12 or kind == 14:
            self.handles = self.random.below(U64(5))
            self.moves = self.random.below(U64(16))
        if kind == 13 or kind == 14:
            self.bytes = self.random.below(U64(64))
            if self.bytes < 4:
                self.bytes = self.random.below(U64(tags.MAXIMUM_BYTES + 1))
        self.label = self.random.next() >> 33

    def tag(self) -> U64:
        """The message's tag."""
        shape = self.words | self.handles << tags.HANDLES_SHIFT | self.bytes << tags.BYTES_SHIFT
        return shape | self.label << tags.LABEL_SHIFT

    def write_words(self, message: Message) -> None:
        message.tag = self.tag()
        for index in U64.range(8):
            message.words[index] = self.random.next()

    def check_words(self, message: Message) -> None:
        assert message.tag == self.tag(), "a message has another tag"
        for index in U64.range(8):
            assert message.words[index] == self.random.next(), "a word has changed"

    def write_bytes(self, buffer: MessageBuffer) -> None:
        data = Ptr.to(buffer.data).cast(U64)
        for index in U64.range((self.bytes + 7) // 8):
            data.offset(index).value = self.random.next()

    def check_bytes(self, buffer: MessageBuffer) -> None:
        data = Ptr.to(buffer.data).cast(U64)
        for index in U64.range((self.bytes + 7) // 8):
            # What lies beyond the last byte does not travel.
            missing = 8 - min(self.bytes - index * 8, U64(8))
            mask = U64(0xFFFF_FFFF_FFFF_FFFF) >> (missing * 8)
            assert (data.offset(index).value ^ self.random.next()) & mask == 0, "a byte has changed"

    def rights(self) -> U64:
        """Of the next handle: random, but it can travel."""
        return self.random.next() & 0x7FFF | CARRIED


@struct
class Server:
    """State of a server: what it expects of each client, by badge, and what it has got."""

    plans: Array[Plan, Literal[4]] = zeroed()
    signals: U64 = U64(0)
    count: U64 = U64(0)
    buffer: Ptr[MessageBuffer] = zeroed()
    notification: U64 = U64(0)

    def begin(self, message: Message) -> None:
        """The first message brings the notification, the seed, and the server's number."""
        self.notification = message.words[0]
        for client in U64.range(1, CLIENTS + 1):
            self.plans[client].random.seed(stream(message.words[1], client, message.words[2]))
        page = FREE_PAGES.take()
        system.thread_set_buffer(page)
        self.buffer = Ptr.at(MessageBuffer, VirtAddr(page))
        system.thread_bind(self.notification)

    def check(self, message: Message) -> bool:
        """Compare a message with what its client must send now; whether it is a call."""
        assert message.badge > 0 and message.badge <= CLIENTS, "a message comes from nobody"
        plan = self.plans[message.badge]
        plan.draw()
        assert (message.reply != 0) == plan.is_call, "call or send"
        plan.check_words(message)
        self.take_handles(plan)
        plan.check_bytes(self.buffer.value)
        if plan.signals:
            self.check_signals(message.badge, plan)
        self.count = self.count + 1
        return plan.is_call

    def take_handles(self, plan: Plan) -> None:
        for index in U64.range(plan.handles):
            handle = self.buffer.value.handles[index]
            assert system.handle_inspect(handle) == KIND_ENDPOINT | plan.rights() << 8, "another handle came"
            if plan.is_call and index == 0:
                continue
            system.handle_close(handle)

    def check_signals(self, client: U64, plan: Plan) -> None:
        """The client has signalled once, just before this call; it may still stand in the notification."""
        try:
            self.signals = self.signals | system.notification_wait(self.notification, U64(0))
        except WouldBlock:
            pass
        mask = U64(0xFFFF) << (client * 16 - 16)
        assert self.signals & mask == signal_bit(client, plan.label), "signals are lost, or come twice"
        self.signals = self.signals & ~mask

    def answer(self, message: Message) -> None:
        """The reply to a call: new words, and of its handles the first goes back."""
        plan = self.plans[message.badge]
        plan.write_words(message)
        message.tag = reply_tag(plan)
        if plan.handles > 0:
            self.buffer.value.moves = U32(1)


SERVER = place(Server())
OTHER_SERVER = place(Server())


def reply_tag(plan: Plan) -> U64:
    """Of the answer: the label once more, and one handle if there were some."""
    return plan.label << tags.LABEL_SHIFT | min(plan.handles, U64(1)) << tags.HANDLES_SHIFT | 8


def signal_bit(client: U64, label: U64) -> U64:
    """Each client has sixteen signals of its own."""
    return U64(1) << (client * 16 - 16 + (label & 15))


def stream(seed: U64, client: U64, server: U64) -> U64:
    """The seed of one client's way to one server."""
    return seed * 16 + client * 4 + server


def serve(endpoint: U64) -> None:
    serve_as(endpoint, SERVER)


def serve_as(endpoint: U64, server: Server) -> None:
    """Receive for ever; a report tells how many messages were right."""
    message = Message()
    receive(endpoint, message)
    server.begin(message)
    message.set(U64(0), U64(0))
    reply(message)
    receive(endpoint, message)
    while True:
        if message.is_from_kernel:
            server.signals = server.signals | message.words[0]
            receive(endpoint, message)
        elif message.label == LABEL_REPORT:
            message.set(U64(0), U64(1))
            message.words[0] = server.count
            reply(message)
            receive(endpoint, message)
        elif not server.check(message):
            receive(endpoint, message)
        else:
            server.answer(message)
            pass_on(endpoint, message, server.count)


def pass_on(endpoint: U64, message: Message, count: U64) -> None:
    """Reply and receive, in one step or in two."""
    if count & 3 == 0:
        reply(message)
        receive(endpoint, message)
    else:
        reply_and_receive(endpoint, message)


@struct
class Client:
    """One client's ways to the servers."""

    plans: Array[Plan, Literal[2]] = zeroed()
    servers: Array[U64, Literal[2]] = zeroed()
    notifications: Array[U64, Literal[2]] = zeroed()
    badge: U64 = U64(0)
    buffer: Ptr[MessageBuffer] = zeroed()
    # From which the handles are derived that travel.
    source: U64 = U64(0)

    def begin(self, message: Message, source: U64) -> None:
        self.badge = message.words[7]
        self.source = source
        for index in U64.range(SERVERS):
            self.servers[index] = message.words[index]
            self.notifications[index] = message.words[2 + index]
            self.plans[index].random.seed(stream(message.words[6], self.badge, index))
        page = FREE_PAGES.take()
        system.thread_set_buffer(page)
        self.buffer = Ptr.at(MessageBuffer, VirtAddr(page))

    def exchange(self, index: U64, message: Message) -> None:
        """The next message to a server, and its answer."""
        plan = self.plans[index]
        plan.draw()
        plan.write_words(message)
        self.put_handles(plan)
        plan.write_bytes(self.buffer.value)
        if plan.signals:
            system.notification_signal(self.notifications[index], signal_bit(self.badge, plan.label))
        if not plan.is_call:
            send(self.servers[index], message)
            self.close_handles(plan)
            return
        call(self.servers[index], message)
        self.close_handles(plan)
        self.check_answer(plan, message)

    def check_answer(self, plan: Plan, message: Message) -> None:
        assert message.tag == reply_tag(plan), "an answer has another tag"
        for word in U64.range(8):
            assert message.words[word] == plan.random.next(), "a word of an answer has changed"
        if plan.handles > 0:
            system.handle_close(self.buffer.value.handles[0])

    def put_handles(self, plan: Plan) -> None:
        buffer = self.buffer.value
        buffer.moves = U32(plan.moves)
        for index in U64.range(plan.handles):
            SENT.handles[self.badge * 4 + index] = system.handle_derive(self.source, plan.rights(), U64(0))
            buffer.handles[index] = SENT.handles[self.badge * 4 + index]

    def close_handles(self, plan: Plan) -> None:
        """Those that were copied; the others are gone already."""
        for index in U64.range(plan.handles):
            handle = SENT.handles[self.badge * 4 + index]
            if plan.moves.bit(index):
                assert gone(handle), "a handle that was moved still is there"
            else:
                system.handle_close(handle)


@struct
class Sent:
    """Handles on their way, by client."""

    handles: Array[U64, Literal[16]] = zeroed()


CLIENT = place(Client())
OTHER_CLIENT = place(Client())
SENT = place(Sent())


def gone(handle: U64) -> bool:
    """Whether nothing has this handle."""
    try:
        system.handle_inspect(handle)
        return False
    except BadHandle:
        return True


def work(endpoint: U64) -> None:
    work_as(endpoint, CLIENT)


def work_as(endpoint: U64, client: Client) -> None:
    """Words of the first message: two servers, their notifications, where to say that all is done, how many, seed,
    badge."""
    message = Message()
    receive(endpoint, message)
    client.begin(message, endpoint)
    done = message.words[4]
    count = message.words[5]
    for round in U64.range(count):
        client.exchange(round & 1, message)
    system.notification_signal(done, U64(1) << client.badge)


def work_here(endpoint: U64) -> None:
    work_as(endpoint, OTHER_CLIENT)


@struct
class Parties:
    """What the first thread knows of all: handles of its own."""

    servers: Array[U64, Literal[2]] = zeroed()
    notifications: Array[U64, Literal[2]] = zeroed()
    processes: Array[Child, Literal[3]] = zeroed()


PARTIES = place(Parties())


def prepare_server(index: U64, seed: U64) -> None:
    """The first is a thread of this process, the second a process."""
    endpoint = system.endpoint_create(QUOTA)
    notification = system.notification_create(QUOTA)
    PARTIES.servers[index] = endpoint
    PARTIES.notifications[index] = notification
    message = Message()
    message.set(U64(LABEL_SETUP), U64(3))
    message.words[0] = notification
    if index == 0:
        start(code_address(serve), endpoint)
    else:
        child = PARTIES.processes[0]
        child.make(QUOTA)
        message.words[0] = system.process_install(child.process, notification, U64(WAIT), U64(0))
        child.start(code_address(serve), system.process_install(child.process, endpoint, U64(SERVER_RIGHTS), U64(0)))
    message.words[1] = seed
    message.words[2] = index
    call(endpoint, message)


def prepare_client(badge: U64, done: U64, count: U64, seed: U64) -> None:
    """The first is a thread of this process, the others processes."""
    endpoint = system.endpoint_create(QUOTA)
    process = PROCESS
    message = Message()
    if badge == 1:
        start(code_address(work_here), endpoint)
    else:
        child = PARTIES.processes[badge - 1]
        child.make(QUOTA)
        process = child.process
        child.start(code_address(work), system.process_install(process, endpoint, U64(0), U64(0)))
    for index in U64.range(SERVERS):
        message.words[index] = system.process_install(process, PARTIES.servers[index], U64(SEND_RIGHTS), badge)
        message.words[2 + index] = system.process_install(process, PARTIES.notifications[index], U64(SIGNAL), U64(0))
    message.words[4] = system.process_install(process, done, U64(SIGNAL), U64(0))
    message.words[5] = count
    message.words[6] = seed
    message.words[7] = badge
    message.set(U64(LABEL_SETUP), U64(8))
    send(endpoint, message)


def main(args: List[Text]) -> None:
    count = number(args, U64(1), U64(1000))
    seed = number(args, U64(2), U64(1))
    done = system.notification_create(QUOTA)
    for index in U64.range(SERVERS):
        prepare_server(index, seed)
    for badge in U64.range(1, CLIENTS + 1):
        prepare_client(badge, done, count, seed)
    finished = U64(0)
    while finished != (1 << (CLIENTS + 1)) - 2:
        finished = finished | system.notification_wait(done, NEVER)
    total = U64(0)
    message = Message()
    for index in U64.range(SERVERS):
        message.set(U64(LABEL_REPORT), U64(0))
        call(PARTIES.servers[index], message)
        total = total + message.words[0]
    assert total == count * CLIENTS, "messages are missing"
    # The clients have ended: they are taken apart before the machine is looked at.
    quota_used()
    print(f"messages {total}")

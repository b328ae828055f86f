"""No message is lost, duplicated or misdelivered, and nobody waits for ever: the real kernel against a model.

Clients and servers make random system calls in whatever order the scheduler lets them run; the model knows which
message is where. At the end the servers answer all, and every client must have had an answer or an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudos.abi.errors import BadHandle, Cancelled, PeerGone, TimedOut
from cloudos.abi.objects import Rights
from cloudos.kernel.objects import termination
from cloudos.kernel.objects.thread import MAXIMUM_DEPTH, Thread, ThreadState
from cloudos.kernel.security import capabilities
from cloudos.lang import U64, Ptr
from tests.unit.kernel.message_machine import World, world

SEND = Rights.SEND
RECEIVE = Rights.RECEIVE
BLOCKED = (ThreadState.SENDING, ThreadState.RECEIVING, ThreadState.CALLING)


@dataclass
class Client:
    """`doing`: the kind and the number of the message under way."""

    thread: Ptr[Thread]
    handle: int
    badge: int
    doing: tuple[str, int] | None = None


@dataclass
class Server:
    thread: Ptr[Thread]
    handle: int
    receiving: bool = False


@dataclass
class Model:
    """Where each message is: with the kernel, received (call: and not answered), answered, or failed."""

    place: dict[int, str] = field(default_factory=dict)
    kind: dict[int, str] = field(default_factory=dict)
    sender: dict[int, int] = field(default_factory=dict)
    replies: dict[int, int] = field(default_factory=dict)
    """Reply handles that the server process holds, with the numbers of their messages."""


class Play:
    """One run."""

    def __init__(self, scene: World, clients: int, servers: int) -> None:
        self.scene = scene
        self.model = Model()
        endpoint = scene.endpoint()
        self.server_process = scene.process()
        self.clients: list[Client] = []
        self.servers: list[Server] = []
        self.keeper = scene.thread(scene.first, 1)
        self.root = scene.give(scene.first, endpoint)
        for index in range(clients):
            badge = 100 + index
            handle = scene.give(scene.first, endpoint, SEND, badge)
            self.clients.append(Client(scene.thread(scene.first, 10 + index % 2), handle, badge))
        for index in range(servers):
            handle = scene.give(self.server_process, endpoint, RECEIVE)
            self.servers.append(Server(scene.thread(self.server_process, 10 + index % 3), handle))
        self.scene.pass_time(0)

    def step(self, choice: int) -> None:
        """Let the current thread take note of what its last call gave, and make another."""
        thread = self.scene.current
        for client in self.clients:
            if client.thread == thread:
                self.client_step(client, choice)
                return
        for server in self.servers:
            if server.thread == thread:
                self.server_step(server, choice)
                return
        self.scene.pass_time(1000)

    def client_step(self, client: Client, choice: int) -> None:
        self.conclude(client)
        if choice % 5 == 0:
            self.scene.system_call("thread_yield")
            return
        kind = "send" if choice % 5 == 1 else "call"
        number = len(self.model.place) + 1
        self.model.place[number] = "kernel"
        self.model.kind[number] = kind
        self.model.sender[number] = client.badge
        client.doing = (kind, number)
        self.scene.system_call(f"message_{kind}", client.handle, 1, words=(number,))

    def conclude(self, client: Client) -> None:
        """The client runs again: its message must have had the fate that its result says."""
        if client.doing is None:
            return
        kind, number = client.doing
        client.doing = None
        frame = client.thread.value.frame
        place = self.model.place[number]
        if frame.rax == 0:
            if kind == "call":
                assert place == "answered"
                assert frame.rdx == number * 2, "the answer of another call"
            else:
                assert place == "received" or self.is_delivered(number)
        elif frame.rax == PeerGone.code:
            assert place == "failed"
        else:
            assert frame.rax in (Cancelled.code, BadHandle.code) and place == "kernel"
            self.model.place[number] = "cancelled"

    def is_delivered(self, number: int) -> bool:
        """Whether the message stands in the registers of a server that has not run since."""
        return any(
            server.receiving
            and server.thread.value.state == ThreadState.READY
            and server.thread.value.frame.rdx == number
            for server in self.servers
        )

    def server_step(self, server: Server, choice: int) -> None:
        self.take(server)
        held = sorted(self.model.replies)
        action = choice % 7
        if action == 0:
            self.scene.system_call("thread_yield")
        elif held and action in (1, 2, 3):
            handle = held[choice % len(held)]
            number = self.model.replies.pop(handle)
            if action == 1:
                self.model.place[number] = "failed"
                self.scene.system_call("handle_close", handle)
            elif action == 2:
                self.model.place[number] = "answered"
                self.scene.system_call("message_reply", handle, 1, words=(number * 2,))
            else:
                self.answer_and_receive(server, handle, number)
        else:
            server.receiving = True
            self.scene.system_call("message_receive", server.handle, 0)

    def answer_and_receive(self, server: Server, handle: int, number: int) -> None:
        self.model.place[number] = "answered"
        server.receiving = True
        self.scene.system_call("message_reply_receive", server.handle, 1, words=(number * 2,), reply=handle)

    def take(self, server: Server) -> None:
        """The server runs again: if it received, it must be a message that nobody else has had."""
        if not server.receiving:
            return
        server.receiving = False
        frame = server.thread.value.frame
        assert frame.rax == 0
        number = int(frame.rdx)
        assert self.model.place[number] == "kernel", "received twice, or never sent"
        assert frame.rdi == self.model.sender[number], "another's badge"
        self.model.place[number] = "received"
        if self.model.kind[number] == "call":
            assert frame.rbx != 0 and int(frame.rbx) not in self.model.replies
            self.model.replies[int(frame.rbx)] = number
        else:
            assert frame.rbx == 0

    def finish(self) -> None:
        """All servers receive and answer until nothing is left; then no client may be waiting."""
        self.come_to_rest()
        while self.model.replies:
            # A server that waits for more while it owes an answer: its process loses the handle.
            handle, number = self.model.replies.popitem()
            self.model.place[number] = "failed"
            capabilities.close(self.server_process.value.table, U64(handle))
            self.scene.pass_time(1000)
            self.come_to_rest()
        for client in self.clients:
            assert client.thread.value.state == ThreadState.SLEEPING, "a client waits for ever"
        assert "kernel" not in self.model.place.values()

    def come_to_rest(self) -> None:
        """Let all threads run until only the keeper can."""
        for _ in range(400):
            thread = self.scene.current
            if thread == self.keeper:
                break
            for client in self.clients:
                if client.thread == thread:
                    self.conclude(client)
                    self.scene.system_call("thread_sleep", 1 << 60)
            for server in self.servers:
                if server.thread == thread:
                    self.take(server)
                    held = sorted(self.model.replies)
                    if held:
                        self.answer_and_receive(server, held[0], self.model.replies.pop(held[0]))
                    else:
                        server.receiving = True
                        self.scene.system_call("message_receive", server.handle, 0)
        assert self.scene.current == self.keeper, "the threads never come to rest"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 4), st.integers(1, 3), st.lists(st.integers(0, 10_000), max_size=60))
def test_every_message_arrives_once(
    monkeypatch: pytest.MonkeyPatch, clients: int, servers: int, choices: list[int]
) -> None:
    with world(monkeypatch) as scene:
        play = Play(scene, clients, servers)
        for choice in choices:
            play.step(choice)
        play.finish()


def client_and_server(scene: World) -> tuple[Play, Client, Server]:
    """One of each; the client's call waits in the queue, and the server is about to act."""
    play = Play(scene, 1, 1)
    client, server = play.clients[0], play.servers[0]
    while scene.current != client.thread:
        scene.system_call("thread_yield")
    client.doing = ("call", 1)
    play.model.place[1], play.model.kind[1], play.model.sender[1] = "kernel", "call", client.badge
    scene.system_call("message_call", client.handle, 1, words=(1,))
    assert client.thread.value.state == ThreadState.SENDING
    return play, client, server


def test_a_server_runs_on_the_time_and_priority_of_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    with world(monkeypatch) as scene:
        play = Play(scene, 0, 1)
        server = play.servers[0]
        server.receiving = True
        scene.system_call("message_receive", server.handle, 0)
        urgent = scene.thread(scene.first, 200)
        scene.pass_time(0)
        assert scene.current == urgent
        scene.system_call("message_call", play.root, 1, words=(1,))
        assert scene.current == server.thread
        assert server.thread.value.priority == 200
        assert server.thread.value.time() == urgent.value.schedule
        scene.system_call(
            "message_reply_receive", server.handle, 1, words=(2,), reply=int(server.thread.value.frame.rbx)
        )
        assert scene.current == urgent
        assert server.thread.value.priority == 10
        assert server.thread.value.time() == server.thread.value.schedule


@pytest.mark.parametrize("way", ["kill", "revoke", "end of server", "time"])
def test_whoever_waits_is_woken(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    with world(monkeypatch) as scene:
        _, client, server = client_and_server(scene)
        if way == "kill":
            termination.end_thread(client.thread)
            assert client.thread.value.state == ThreadState.DEAD
            while scene.current != server.thread:
                scene.pass_time(1000)
            scene.system_call("message_receive", server.handle, 0)
            assert server.thread.value.state == ThreadState.RECEIVING
            return
        if way == "revoke":
            capability = capabilities.find(scene.first.value.table, U64(client.handle))
            while not capabilities.remove_step(capability):
                pass
            assert client.thread.value.frame.rax == Cancelled.code
        elif way == "time":
            from cloudos.kernel.objects import waiting

            waiting.expire(client.thread)
            assert client.thread.value.frame.rax == TimedOut.code
        else:
            scene.system_call("message_receive", server.handle, 0)
            assert client.thread.value.state == ThreadState.CALLING
            scene.system_call("process_exit", 0)
            while client.thread.value.state in BLOCKED:
                scene.pass_time(1000)
            assert client.thread.value.frame.rax == PeerGone.code
        assert client.thread.value.state in (ThreadState.READY, ThreadState.RUNNING)


def test_time_goes_along_so_many_calls_and_the_end_of_the_first_reaches_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with world(monkeypatch) as scene:
        scene.thread(scene.first, 1)  # when nobody else can run
        count = MAXIMUM_DEPTH + 3
        endpoints = [scene.give(scene.first, scene.endpoint()) for _ in range(count)]
        servers = []
        for handle in endpoints:
            servers.append(scene.thread(scene.first, 100))
            scene.pass_time(0)
            while scene.current != servers[-1]:
                scene.system_call("thread_yield")
            scene.system_call("message_receive", handle, 0)
        head = scene.thread(scene.first, 120)
        scene.pass_time(0)
        for handle, server in zip(endpoints, servers, strict=True):
            scene.system_call("message_call", handle, 1)
            if scene.current != server:
                assert server == servers[MAXIMUM_DEPTH], "the first that runs on its own time"
                scene.pass_time(0)
            assert scene.current == server
        for depth, server in enumerate(servers):
            lends = servers[MAXIMUM_DEPTH] if depth >= MAXIMUM_DEPTH else head
            assert server.value.time() == lends.value.schedule, depth
            assert server.value.priority == lends.value.schedule.value.priority
        termination.end_thread(head)
        for server in servers[:MAXIMUM_DEPTH]:
            assert server.value.time() == servers[0].value.schedule and server.value.priority == 100

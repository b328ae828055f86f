"""Handles: derived, closed, revoked, in every state of those who wait through them; nothing is left behind."""

from __future__ import annotations

import pytest

from cloudos.abi import initial
from cloudos.abi.errors import BadHandle, Cancelled, Denied, WrongKind
from cloudos.abi.objects import ALL_RIGHTS, Kind, Rights
from tests.sim import programs
from tests.sim.accounting import ledger
from tests.sim.harness import run
from tests.sim.world import user

call, succeed, message = user.call, user.succeed, user.message
SEEDS = range(3)


def error_of(instruction: user.Call) -> programs.Steps:
    """The error that a call gives."""
    reply: user.Reply = yield instruction
    return reply.error


def test_a_copy_is_never_stronger() -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        assert (yield from succeed("handle_inspect", endpoint)) == Kind.ENDPOINT | int(ALL_RIGHTS) << 8
        weak = yield from succeed("handle_derive", endpoint, int(Rights.SEND | Rights.DERIVE), 5)
        assert (yield from succeed("handle_inspect", weak)) == Kind.ENDPOINT | int(Rights.SEND | Rights.DERIVE) << 8
        assert (yield from error_of(call("handle_derive", weak, int(Rights.SEND | Rights.RECEIVE), 5))) == Denied.code
        assert (yield from error_of(call("handle_derive", weak, int(Rights.SEND), 6))) == Denied.code
        assert (yield from error_of(message("message_receive", weak))) == Denied.code
        last = yield from succeed("handle_derive", weak, int(Rights.SEND), 5)
        assert (yield from error_of(call("handle_derive", last, int(Rights.SEND), 5))) == Denied.code
        assert (yield from error_of(call("handle_revoke", last))) == Denied.code
        assert (yield from error_of(call("notification_signal", endpoint, 1))) == WrongKind.code
        return 0

    assert run(main).record("exit") == "status=0"


@pytest.mark.parametrize("handle", [0, 1, 99, 1 << 32 | 5000, 2 << 32 | 1, (1 << 64) - 1])
def test_what_is_no_handle_is_refused(handle: int) -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        before = ledger()
        for name in (
            "handle_close",
            "handle_inspect",
            "handle_revoke",
            "process_kill",
            "thread_start",
            "endpoint_create",
        ):
            assert (yield from error_of(call(name, handle))) == BadHandle.code
        assert ledger() == before
        return 0

    assert run(main).record("exit") == "status=0"


def test_a_closed_handle_stays_dead_when_its_slot_is_used_again() -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        endpoint = yield from programs.new_endpoint()
        old: list[int] = []
        for _ in range(50):
            copy = yield from succeed("handle_derive", endpoint, int(Rights.SEND), 0)
            assert copy not in old
            yield from succeed("handle_close", copy)
            old.append(copy)
        for copy in old:
            assert (yield from error_of(call("handle_inspect", copy))) == BadHandle.code
        return 0

    assert run(main).record("exit") == "status=0"


def test_revoking_takes_all_that_was_derived_in_every_process() -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        notification = yield from programs.new_notification()
        root = yield from succeed("handle_derive", notification, int(ALL_RIGHTS), 0)
        child = yield from programs.new_process(2)
        theirs = yield from programs.install(child, root)
        family = [root]
        for index in range(40):
            family.append((yield from succeed("handle_derive", family[index // 3], int(ALL_RIGHTS), 0)))
        thread = yield from programs.new_thread(1, theirs, child)
        yield from succeed("thread_start", thread)
        assert (yield from succeed("notification_wait", notification, (1 << 64) - 1)) == 1
        yield from succeed("handle_revoke", root)
        for handle in family[1:]:
            assert (yield from error_of(call("handle_inspect", handle))) == BadHandle.code
        assert (yield from succeed("handle_inspect", root)) & 0xFF == Kind.NOTIFICATION
        assert (yield from programs.wait_for_end(child)) == BadHandle.code
        return 0

    def child(handle: int, _: int) -> user.UserCode:
        error = 0
        while not error:
            error = yield from error_of(call("notification_signal", handle, 1))
            yield from programs.sleep(10_000)
        return error

    assert run(main, child).record("exit") == "status=0"


WAYS = ("message_receive", "message_send", "message_call", "notification_wait")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", ["handle_revoke", "handle_close"])
@pytest.mark.parametrize("name", WAYS)
def test_who_waits_through_a_handle_that_goes_is_told(name: str, how: str, seed: int) -> None:
    def main(bundle: int, length: int) -> user.UserCode:
        create = programs.new_notification if name.startswith("notification") else programs.new_endpoint
        root = yield from create()
        weak = yield from succeed("handle_derive", root, int(ALL_RIGHTS), 0)
        yield from programs.start_thread(1, weak)
        yield from programs.sleep(20_000_000)
        yield from succeed(how, root if how == "handle_revoke" else weak)
        while (yield user.Read(user.SCRATCH, 1)) == b"\0":
            yield from programs.sleep(1_000_000)
        assert (yield user.Read(user.SCRATCH, 1))[0] == Cancelled.code
        return 0

    def waiter(handle: int, _: int) -> user.UserCode:
        step = call(name, handle, (1 << 64) - 1) if name.startswith("notification") else message(name, handle)
        error = yield from error_of(step)
        yield user.Write(user.SCRATCH, bytes([error]))
        return None

    assert run(main, waiter, seed=seed).record("exit") == "status=0"


@pytest.mark.parametrize("seed", SEEDS)
def test_all_that_was_made_is_given_back(seed: int) -> None:
    """Processes, threads, endpoints, schedules, quotas, with threads in calls: closed and killed, nothing remains."""

    def main(bundle: int, length: int) -> user.UserCode:
        def round_trip() -> programs.Steps:
            quota = yield from succeed("quota_create", initial.QUOTA, 1 << 20)
            made = [quota]
            for name in ("endpoint_create", "notification_create"):
                made.append((yield from succeed(name, quota)))
            made.append((yield from succeed("schedule_create", quota, 50, 500_000, 1_000_000)))
            child = yield from programs.new_process(2, quota)
            theirs = yield from programs.install(child, made[1])
            for _ in range(3):
                made.append((yield from programs.new_thread(1, theirs, child, initial.SCHEDULE)))
                yield from succeed("thread_start", made[-1])
            yield from programs.sleep(1_000_000)
            yield from succeed("process_kill", child)
            for handle in (child, *reversed(made)):
                yield from succeed("handle_close", handle)
            yield from programs.sleep(5_000_000)
            return 0

        yield from round_trip()
        before = ledger()
        for _ in range(3):
            yield from round_trip()
            assert ledger() == before
        return 0

    def caller(endpoint: int, _: int) -> user.UserCode:
        yield message("message_call", endpoint)
        raise AssertionError("the call came back")

    assert run(main, caller, seed=seed).record("exit") == "status=0"

"""Background jobs: `wait`, `jobs`, `fg`, `bg`, `kill`."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, NotFound
from cloudos.apps.shell.characters import PERCENT, all_digits
from cloudos.apps.shell.context import FAILED, NO_PROGRAM, Context, Job, Runner
from cloudos.apps.shell.launcher import NOT_FOUND, await_launch, has_ended
from cloudos.apps.shell.output import say
from cloudos.apps.signals import HARMLESS, LAST, signal_name, signal_of
from cloudos.contracts.programs import CONTINUE, LAST_STOP, TERMINATE
from cloudos.lang import I64, U64, Error, write_text
from cloudos.sdk import ByteBuffer, InvalidNumber, List, Text, programs
from cloudos.sdk.programs import Launch

PAUSE = 10_000_000  # nanoseconds between two looks at a job
BY_SIGNAL = 128  # and its number: the status of what a signal ended


def finish(job: Job) -> None:
    """Wait for all of a job."""
    for launch in job.launches:
        job.status = await_launch(launch)
    job.done = True


def note_stopped(context: Context, launches: List[Launch], text: Text) -> None:
    """What a person has stopped is a job from now on, and shown."""
    job = context.add_job(launches, launches[launches.length - 1].number, text)
    job.stopped = True
    show_stopped(context, job)


def show_stopped(context: Context, job: Job) -> None:
    """Tell a person that a job does not run."""
    text = ByteBuffer()
    write_text(text, f"{line_of(job, True)}\n")
    context.state.show_error(text)


def go_on(job: Job) -> None:
    """Let a stopped job run, with all that its programs have started."""
    try:
        signal_job(job, U64(CONTINUE))
    except Error:
        pass
    job.stopped = False


def signal_job(job: Job, signal: U64) -> None:
    """Send a signal to the group of a job. Nothing happens when it has ended. Raises Denied, ServiceGone."""
    try:
        programs.kill(job.group, True, signal)
    except (NotFound, BadArgument):
        pass


def finish_listening(context: Context, runner: Runner, job: Job) -> bool:
    """Wait for a job, or for a signal that this shell attends to, whose trap is run; whether it was the job.

    Raises what leaves a command.
    """
    if context.attended == 0 and not context.person:
        finish(job)
        return True
    while True:
        look(job)
        if job.done:
            return True
        context.look(U64(PAUSE))
        if context.pending & ~context.state.ignored() == 0:
            # Nobody looks again here: a signal that has come meanwhile ends the wait.
            context.pending = U64(0)
            continue
        for signal in U64.range(1, 64):
            if context.pending.bit(signal):
                context.state.status = signal + BY_SIGNAL
        runner.handle_signals()
        return False


def look(job: Job) -> None:
    """Note whether a job has ended."""
    if job.done:
        return
    for launch in job.launches:
        try:
            status = launch.poll()
        except Error:
            status = U64(NOT_FOUND)
        if status is None:
            return
        job.status = status
    job.done = True


def remove(context: Context, job: Job) -> None:
    """Forget a job."""
    for number in U64.range(context.jobs.length):
        if context.jobs[number] is job:
            context.jobs.remove_at(number)
            if number < context.inherited:
                context.inherited -= 1
            return


def own(context: Context, name: Text) -> Job | None:
    """`find` among the jobs that are this subshell's own."""
    job = find(context, name)
    for number in U64.range(context.inherited):
        if context.jobs[number] is job:
            return None
    return job


def find(context: Context, name: Text) -> Job | None:
    """The job that `%1`, `%%`, `%+` or the number of a program names."""
    for job in context.jobs:
        if name.length > 1 and name[0] == PERCENT:
            if Text(f"%{job.id}") == name:
                return job
        elif Text(f"{job.number}") == name:
            return job
    if (name.equals("%%") or name.equals("%+") or name.equals("%")) and context.jobs.length > 0:
        return context.jobs[context.jobs.length - 1]
    return None


def wait(context: Context, runner: Runner, fields: List[Text]) -> None:
    """`wait [job …]`: the status is that of the last job named, 127 for one that is none of this shell.

    A signal with a trap ends it; the status is then 128 and the signal's number. Raises what leaves a command.
    """
    state = context.state
    state.status = U64(0)
    if fields.length == 1:
        while context.jobs.length > context.inherited:
            if not finish_listening(context, runner, context.jobs[context.inherited]):
                return
            context.jobs.remove_at(context.inherited)
        return
    for number in U64.range(1, fields.length):
        job = own(context, fields[number])
        if job is None:
            state.status = U64(NOT_FOUND)
            continue
        if not finish_listening(context, runner, job):
            return
        state.status = job.status
        remove(context, job)


def line_of(job: Job, last: bool) -> Text:
    """A job as `jobs` shows it."""
    mark = Text("+" if last else " ")
    word = Text("Stopped" if job.stopped else "Running")
    if job.done:
        word = Text("Done") if job.status == 0 else Text(f"Done({job.status})")
    return Text(f"[{job.id}] {mark} {word:<26} {job.text}")


def show_all(context: Context) -> None:
    """`jobs`."""
    ended = List[Job]()
    for number in U64.range(context.jobs.length):
        job = context.jobs[number]
        look(job)
        say(context.state, f"{line_of(job, number + 1 == context.jobs.length)}")
        if job.done:
            ended.append(job)
    for job in ended:
        remove(context, job)


def report(context: Context) -> None:
    """Tell a person which jobs have ended since the last time."""
    for number in U64.range(context.jobs.length):
        look(context.jobs[number])
    at = U64(0)
    while at < context.jobs.length:
        job = context.jobs[at]
        if job.done:
            text = ByteBuffer()
            write_text(text, f"{line_of(job, at + 1 == context.jobs.length)}\n")
            context.state.show_error(text)
            context.jobs.remove_at(at)
        else:
            at += 1


def foreground(context: Context, fields: List[Text]) -> None:
    """`fg [job]`."""
    job = own(context, fields[1] if fields.length > 1 else Text("%%"))
    if job is None:
        context.fail("fg: no such job", U64(FAILED))
        return
    say(context.state, f"{job.text}")
    # In this order: a key that is pressed before the job runs stops it when it is in the foreground.
    go_on(job)
    context.set_foreground(job.group)
    if context.stops_jobs():
        for launch in job.launches:
            job.stopped = not has_ended(launch) or job.stopped
            job.status = launch.status
    else:
        finish(job)
    context.set_foreground(U64(0))
    context.state.status = job.status
    if job.stopped:
        show_stopped(context, job)
    else:
        remove(context, job)


def background(context: Context, fields: List[Text]) -> None:
    """`bg [job]`: let a stopped job go on beside the shell."""
    job = own(context, fields[1] if fields.length > 1 else Text("%%"))
    if job is None:
        context.fail("bg: no such job", U64(FAILED))
        return
    go_on(job)
    say(context.state, f"[{job.id}] {job.text}")
    context.state.status = U64(0)


def kill(context: Context, fields: List[Text]) -> None:
    """`kill [-s signal|-signal] job|number …`, `kill -l [status …]`. Signal 0 tells whether the program runs."""
    at, signal = U64(1), U64(TERMINATE)
    name: Text | None = None
    if fields.length > 1 and fields[1].equals("-l"):
        list_signals(context, fields)
        return
    if fields.length > 2 and fields[1].equals("-s"):
        name = fields[2]
        at = U64(3)
    elif fields.length > 2 and fields[1].length > 1 and fields[1].starts_with("-") and not fields[1].equals("--"):
        name = fields[1].slice(U64(1), fields[1].length)
        at = U64(2)
    if at < fields.length and fields[at].equals("--"):
        at += 1
    if name is not None:
        found = signal_of(name)
        if found is None or U64(HARMLESS).bit(found):
            context.fail(f"kill: {name}: no signal that does anything to programs", U64(FAILED))
            return
        signal = found
    if at >= fields.length:
        context.fail("kill: usage: kill [-s signal] job|number ...", U64(FAILED))
        return
    for number in U64.range(at, fields.length):
        kill_one(context, fields[number], signal)
    # One of them may be this shell.
    context.next_look = U64(0)


def list_signals(context: Context, fields: List[Text]) -> None:
    """`kill -l`: the names of all signals; of each status or number the name."""
    if fields.length == 2:
        for number in U64.range(1, LAST + 1):
            say(context.state, f"{signal_name(number)}")
    for number in U64.range(2, fields.length):
        text = fields[number]
        value = text.to_integer() if all_digits(text.content) and 0 < text.length < 4 else I64(0)
        if value > BY_SIGNAL:
            value -= BY_SIGNAL
        if 0 < value <= LAST:
            say(context.state, f"{signal_name(U64(value))}")
        else:
            context.fail(f"kill: {text}: no such signal", U64(FAILED))


def kill_one(context: Context, name: Text, signal: U64) -> None:
    """End a job or a program, or with a negative number a group."""
    job = find(context, name)
    group = name.length > 1 and name.starts_with("-")
    digits = name.slice(U64(1), name.length) if group else name
    try:
        if job is not None and job.number < NO_PROGRAM:
            signal_job(job, signal)
            if signal >= CONTINUE and signal <= LAST_STOP:
                job.stopped = signal != CONTINUE
        elif all_digits(digits.content) and 0 < digits.length < 18:
            programs.kill(U64(digits.to_integer()), group, signal)
        else:
            context.fail(f"kill: {name}: no such job", U64(1))
    except (Error, InvalidNumber):
        context.fail(f"kill: {name}: no such program", U64(1))

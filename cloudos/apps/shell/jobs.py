"""Background jobs: `wait`, `jobs`, `fg`, `bg`, `kill`."""

from __future__ import annotations

from cloudos.apps.shell.characters import PERCENT, all_digits
from cloudos.apps.shell.context import FAILED, Context, Job
from cloudos.apps.shell.launcher import NOT_FOUND, await_launch
from cloudos.apps.shell.output import say
from cloudos.contracts.programs import INTERRUPT, KILL, PIPE, TERMINATE
from cloudos.lang import U64, Error, write_text
from cloudos.sdk import ByteBuffer, InvalidNumber, List, Text, programs


def finish(job: Job) -> None:
    """Wait for all of a job."""
    for launch in job.launches:
        job.status = await_launch(launch)
    job.done = True


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
            return


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


def wait(context: Context, fields: List[Text]) -> None:
    """`wait [job …]`: the status is that of the last job named, 127 for one that is none of this shell."""
    state = context.state
    if fields.length == 1:
        for one in context.jobs:
            finish(one)
        context.jobs.clear()
        return
    for number in U64.range(1, fields.length):
        job = find(context, fields[number])
        if job is None:
            state.status = U64(NOT_FOUND)
            continue
        finish(job)
        state.status = job.status
        remove(context, job)


def line_of(job: Job, last: bool) -> Text:
    """A job as `jobs` shows it."""
    mark = Text("+" if last else " ")
    word = Text("Running")
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
    job = find(context, fields[1] if fields.length > 1 else Text("%%"))
    if job is None:
        context.fail("fg: no such job", U64(FAILED))
        return
    say(context.state, f"{job.text}")
    context.set_foreground(job.group)
    finish(job)
    context.set_foreground(U64(0))
    context.state.status = job.status
    remove(context, job)


def background(context: Context) -> None:
    """`bg`: nothing here stops a job without ending it, so there is none to go on."""
    context.fail("bg: jobs are not stopped here, so none can be continued", U64(1))


def signal_number(name: Text) -> U64:
    """The number of a signal; 0 when it is not known."""
    text = name.slice(U64(3), name.length) if name.starts_with("SIG") else name
    if text.equals("INT"):
        return U64(INTERRUPT)
    if text.equals("KILL"):
        return U64(KILL)
    if text.equals("PIPE"):
        return U64(PIPE)
    if text.equals("TERM"):
        return U64(TERMINATE)
    try:
        number = text.to_integer()
    except InvalidNumber:
        return U64(0)
    return U64(number) if 0 < number <= 64 else U64(0)


def kill(context: Context, fields: List[Text]) -> None:
    """`kill [-s signal|-signal] job|number …`: every signal ends a program, there are no others here."""
    at, signal = U64(1), U64(TERMINATE)
    if fields.length > 2 and fields[1].equals("-s"):
        signal = signal_number(fields[2])
        at = U64(3)
    elif fields.length > 2 and fields[1].starts_with("-"):
        signal = signal_number(fields[1].slice(U64(1), fields[1].length))
        at = U64(2)
    if signal == 0 or at >= fields.length:
        context.fail("kill: usage: kill [-s INT|KILL|PIPE|TERM] job|number ...", U64(FAILED))
        return
    for number in U64.range(at, fields.length):
        kill_one(context, fields[number], signal)


def kill_one(context: Context, name: Text, signal: U64) -> None:
    """End a job or a program."""
    job = find(context, name)
    try:
        if job is not None:
            for launch in job.launches:
                launch.kill(signal)
        elif all_digits(name.content) and name.length < 18:
            programs.kill(U64(name.to_integer()), False, signal)
        else:
            context.fail(f"kill: {name}: no such job", U64(1))
    except Error:
        context.fail(f"kill: {name}: no such program", U64(1))

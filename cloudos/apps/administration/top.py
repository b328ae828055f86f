"""top: components and programs with their memory, again and again."""

from __future__ import annotations

from cloudos.apps.administration.columns import Table, table
from cloudos.apps.administration.formats import elapsed, human, percent
from cloudos.apps.administration.screen import HOME, on_terminal, window
from cloudos.apps.administration.system_lists import list_components, list_programs, machine_memory
from cloudos.apps.options import Options, Usage, parse
from cloudos.lang import U8, U64, managed, write_text
from cloudos.sdk import InvalidNumber, List, Text, print_error, stdout, system
from cloudos.sdk.collections.parsing import parse_digits

SECOND = 1_000_000_000
FOR_EVER = 0xFFFF_FFFF_FFFF_FFFF
LONGEST = 86400  # seconds between two listings


@managed
class Frame:
    """One listing. When `limited`, `rows` lines of the screen are left for it."""

    rows: U64
    limited: bool

    def room(self) -> bool:
        """Whether another line fits; it is then taken."""
        if self.limited and self.rows == 0:
            return False
        if self.limited:
            self.rows -= 1
        return True

    def line(self, text: Text) -> None:
        """Write a line if it fits."""
        if self.room():
            write_text(stdout, f"{text}\n")

    def show(self, shown: Table) -> None:
        """Write the rows of a table that fit."""
        widths = shown.widths()
        for row in U64.range(shown.rows):
            if self.room():
                shown.show_row(row, widths)

    def draw(self) -> None:
        """Ask for everything and write it. Raises Failed."""
        total, used = machine_memory("top")
        components = list_components("top")
        programs = list_programs("top")
        running = U64(0)
        for one in components:
            if one.state.equals("running"):
                running += 1
        up = elapsed(system.clock_read())
        self.line(Text(f"up {up}, {running} of {components.length} components running, {programs.length} programs"))
        share = percent(used, total)
        self.line(
            Text(f"memory: {human(total)} total, {human(used)} used ({share}%), {human(free_of(total, used))} free")
        )
        self.line(Text(""))
        shown = table(U64(6), U64(0b011110))
        shown.add_words("COMPONENT MEMORY LIMIT USED STARTS STATE")
        for one in components:
            shown.add_text(one.name)
            shown.add_text(human(one.memory))
            shown.add_text(human(one.limit))
            shown.add(f"{percent(one.memory, one.limit)}%")
            shown.add(f"{one.starts}")
            shown.add_text(one.state)
        self.show(shown)
        self.line(Text(""))
        shown = table(U64(5), U64(0b0111))
        shown.add_words("PID MEMORY TIME STATE COMMAND")
        for program in programs:
            shown.add(f"{program.number}")
            shown.add_text(human(program.memory))
            shown.add_text(elapsed(program.time))
            shown.add_text(program.state)
            shown.add_text(program.name)
        self.show(shown)


def free_of(total: U64, used: U64) -> U64:
    """What is left."""
    return total.saturating_sub(used)


def pause_of(options: Options) -> U64:
    """Nanoseconds between listings: the seconds of `-d`, perhaps with a fraction. Raises Usage."""
    value = options.value("d")
    if value is None:
        return U64(SECOND)
    try:
        point = value.find(".")
        whole = value if point is None else value.slice(U64(0), point)
        nanoseconds = min(parse_digits(whole.content), U64(LONGEST)) * SECOND
        if point is not None:
            unit = U64(SECOND // 10)
            for i in U64.range(point + 1, value.length):
                nanoseconds += parse_digits(value.content[i : i + 1]) * unit
                unit = unit // 10
        return nanoseconds
    except InvalidNumber:
        print_error(f"top: '{value}' is not a number of seconds")
        raise Usage from None


def count_of(options: Options, watched: bool) -> U64:
    """How many listings there are to be. Raises Usage."""
    value = options.value("n")
    if value is None:
        return U64(FOR_EVER) if watched or options.has("b") else U64(1)
    try:
        return parse_digits(value.content)
    except InvalidNumber:
        print_error(f"top: '{value}' is not a number")
        raise Usage from None


def top(arguments: List[Text]) -> U8:
    """Show components and programs every second; `-d` another pause, `-n` so often, `-b` without the terminal."""
    options = parse(arguments, "d:n:b")
    if options.operands.length > 0:
        print_error("usage: top [-b] [-d SECONDS] [-n COUNT]")
        raise Usage
    pause = pause_of(options)
    watched = on_terminal() and not options.has("b")
    count = count_of(options, watched)
    done = U64(0)
    while done < count:
        if done > 0:
            system.thread_sleep(pause)
            if not watched:
                write_text(stdout, "\n")
        _, rows = window()
        if watched:
            write_text(stdout, HOME)
        # The last row stays free: a newline there would scroll the first away.
        Frame(rows - 1, watched).draw()
        stdout.flush()
        done += 1
    return U8(0)

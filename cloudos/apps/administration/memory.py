"""free: the memory of the machine."""

from __future__ import annotations

from cloudos.apps.administration.columns import table
from cloudos.apps.administration.formats import human
from cloudos.apps.administration.system_lists import machine_memory
from cloudos.apps.options import Options, Usage, parse
from cloudos.lang import U8, U64
from cloudos.sdk import List, Text, print_error

KILO = 1024


def amount(bytes: U64, options: Options) -> Text:
    """An amount of memory in the unit that the options ask for; kilobytes without one. Parts of a unit are dropped."""
    if options.wins("h", "bkmh"):
        return human(bytes)
    if options.wins("b", "bkmh"):
        return Text(f"{bytes}")
    if options.wins("m", "bkmh"):
        return Text(f"{bytes // (KILO * KILO)}")
    return Text(f"{bytes // KILO}")


def free(arguments: List[Text]) -> U8:
    """Show the memory that init distributes: all, used, free. `-b -k -m -h`: the unit."""
    options = parse(arguments, "bkmh")
    if options.operands.length > 0:
        print_error("usage: free [-b | -k | -m | -h]")
        raise Usage
    total, used = machine_memory("free")
    shown = table(U64(4), U64(0b1110))
    shown.add("")
    shown.add_words("total used free memory:")
    shown.add_text(amount(total, options))
    shown.add_text(amount(used, options))
    shown.add_text(amount(total.saturating_sub(used), options))
    shown.show()
    return U8(0)

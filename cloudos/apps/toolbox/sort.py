"""sort: lines in order."""

from __future__ import annotations

from cloudos.apps.inputs import open_input, operands_or_input, reason
from cloudos.apps.options import Options, Usage, parse
from cloudos.apps.toolbox.sort_keys import Key, Order, add_letters, parse_key
from cloudos.lang import U8, U64, Error, Sink, error_code, write_text
from cloudos.sdk import List, Text, lines, print_error, stdout
from cloudos.sdk.filesystem import FileWriter, create_file

KNOWN = "nrubfdiscCmk:t:o:"


def order_of(options: Options) -> Order:
    """What lines are compared by; raises Usage."""
    order = Order(List[Key](), options.has("s") or options.has("u"), False, U64(256))
    base = Key()
    for i in U64.range(options.letters.length):
        add_letters(base, options.letters[i], True)
    separator = options.value("t")
    if separator is not None:
        if separator.length != 1 and not separator.equals("\\0"):
            what = "empty tab" if separator.length == 0 else "multi-character tab"
            print_error(f"sort: {what} '{separator}'")
            raise Usage
        order.separator = U64(separator[0]) if separator.length == 1 else U64(0)
    order.reverse = base.reverse
    for text in options.all_values("k"):
        order.keys.append(parse_key(text, base))
    if order.keys.length == 0:
        base.whole = True
        order.keys.append(base)
    return order


def read_lines(paths: List[Text]) -> List[Text]:
    """All lines of all files; raises Usage after a complaint."""
    result = List[Text]()
    for path in paths:
        try:
            for line in lines(open_input(path)):
                result.append(line)
        except Error:
            print_error(f"sort: cannot read: {path}: {reason(error_code())}")
            raise Usage from None
    return result


def check_order(found: List[Text], order: Order, options: Options, path: Text) -> U8:
    """Whether lines are in order already, strictly with `-u`: 0 or 1."""
    for i in U64.range(1, found.length):
        later = order.less(found[i], found[i - 1])
        if later or (options.has("u") and not order.less(found[i - 1], found[i])):
            if not options.has("C"):
                print_error(f"sort: {path}:{i + 1}: disorder: {found[i]}")
            return U8(1)
    return U8(0)


def write_lines(found: List[Text], order: Order, unique: bool, sink: Sink) -> None:
    """Write the lines, of equal ones only the first with `-u`."""
    for i in U64.range(found.length):
        if not unique or i == 0 or order.less(found[i - 1], found[i]):
            write_text(sink, f"{found[i]}\n")


def sort(arguments: List[Text]) -> U8:
    """Write all lines of files in order; `-c`: say whether they are in order."""
    try:
        options = parse(arguments, KNOWN)
        order = order_of(options)
        paths = operands_or_input(options.operands)
        if options.has("cC") and paths.length > 1:
            print_error(f"sort: extra operand '{paths[1]}' not allowed with -c")
            return U8(2)
        found = read_lines(paths)
    except Usage:
        return U8(2)
    if options.has("cC"):
        return check_order(found, order, options, paths[0])
    found.sort_by(order)
    target = options.value("o")
    if target is None:
        write_lines(found, order, options.has("u"), stdout)
        return U8(0)
    try:
        writer = FileWriter(create_file(target))
        write_lines(found, order, options.has("u"), writer)
        writer.finish()
    except Error:
        print_error(f"sort: open failed: {target}: {reason(error_code())}")
        return U8(2)
    return U8(0)

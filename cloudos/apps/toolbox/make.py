"""mkdir, rmdir, touch, chmod: making and changing directory entries."""

from __future__ import annotations

from cloudos.apps.inputs import reason
from cloudos.apps.modes import BadMode, parse_mode
from cloudos.apps.options import Options, Usage, parse
from cloudos.apps.paths import directory_name, join
from cloudos.apps.toolbox.date import parse_stamp, parse_time
from cloudos.contracts.errors import Exists
from cloudos.contracts.files import CREATE, WRITE
from cloudos.lang import U8, U64, Error, error_code
from cloudos.sdk import InvalidNumber, List, NotFound, Text, print_error
from cloudos.sdk.filesystem import (
    change_mode,
    exists,
    is_directory,
    list_directory,
    make_directory,
    now,
    open_path,
    remove_directory,
    set_modified,
    status,
)


def make_parents(path: Text, mode: U64) -> None:
    """Make a directory and those above it, where they are missing."""
    if is_directory(path):
        return
    parent = directory_name(path)
    if not parent.equals("/") and not parent.equals("."):
        make_parents(parent, U64(0o755))
    try:
        make_directory(path, mode)
    except Exists:
        if not is_directory(path):
            raise Exists from None


def mkdir(arguments: List[Text]) -> U8:
    """Make directories; `-p` with those above them, `-m MODE` with these permissions."""
    try:
        options = parse(arguments, "pm:")
    except Usage:
        return U8(1)
    mode = U64(0o755)
    text = options.value("m")
    if text is not None:
        try:
            mode = parse_mode(text, U64(0o777), True)
        except BadMode:
            print_error(f"mkdir: invalid mode '{text}'")
            return U8(1)
    if options.operands.length == 0:
        print_error("mkdir: missing operand")
        return U8(1)
    result = U8(0)
    for path in options.operands:
        try:
            if options.has("p"):
                make_parents(path, mode)
            else:
                make_directory(path, mode)
            if text is not None:
                change_mode(path, mode)
        except Error:
            print_error(f"mkdir: cannot create directory '{path}': {reason(error_code())}")
            result = U8(1)
    return result


def rmdir(arguments: List[Text]) -> U8:
    """Remove empty directories; `-p` those above them too."""
    try:
        options = parse(arguments, "p")
    except Usage:
        return U8(1)
    if options.operands.length == 0:
        print_error("rmdir: missing operand")
        return U8(1)
    result = U8(0)
    for operand in options.operands:
        path = operand
        try:
            remove_directory(path)
            while options.has("p"):
                path = directory_name(path)
                if path.equals(".") or path.equals("/"):
                    break
                remove_directory(path)
        except Error:
            print_error(f"rmdir: failed to remove '{path}': {reason(error_code())}")
            result = U8(1)
    return result


def time_of(options: Options) -> U64 | None:
    """The time that touch sets, None for what the file service takes; raises Usage after a complaint."""
    reference = options.value("r")
    if reference is not None:
        try:
            return status(reference).modified
        except Error:
            print_error(f"touch: failed to get attributes of '{reference}': {reason(error_code())}")
            raise Usage from None
    given = options.value("td")
    if given is not None:
        try:
            return parse_stamp(given) if options.has("t") else parse_time(given)
        except InvalidNumber:
            print_error(f"touch: invalid date format '{given}'")
            raise Usage from None
    try:
        return now()
    except Error:
        return None


def touch(arguments: List[Text]) -> U8:
    """Set the time of the last change, and make files that are not there, unless `-c`."""
    try:
        options = parse(arguments, "camr:t:d:")
        time = time_of(options)
    except Usage:
        return U8(1)
    if options.operands.length == 0:
        print_error("touch: missing file operand")
        return U8(1)
    result = U8(0)
    for path in options.operands:
        try:
            if not exists(path):
                if options.has("c"):
                    continue
                open_path(path, U64(WRITE | CREATE)).close()
            if time is not None:
                set_modified(path, time)
        except Error:
            print_error(f"touch: cannot touch '{path}': {reason(error_code())}")
            result = U8(1)
    return result


def change(path: Text, mode: Text, recursive: bool) -> bool:
    """Change the permissions of a file, and with `recursive` of all below; whether that went well. Raises BadMode."""
    try:
        found = status(path)
        directory = is_directory(path)
        change_mode(path, parse_mode(mode, found.mode, directory))
        if not recursive or not directory:
            return True
        names = list_directory(path)
    except NotFound:
        print_error(f"chmod: cannot access '{path}': No such file or directory")
        return False
    except BadMode:
        raise BadMode from None
    except Error:
        print_error(f"chmod: changing permissions of '{path}': {reason(error_code())}")
        return False
    good = True
    for name in names:
        good = change(join(path, name), mode, recursive) and good
    return good


def chmod(arguments: List[Text]) -> U8:
    """Set permission bits: an octal number, or changes as in `u+x,go-w`; `-R` of all in directories too."""
    operands = List[Text]()
    recursive = False
    for i in U64.range(1, arguments.length):
        if operands.length == 0 and arguments[i].equals("-R"):
            recursive = True
        elif not arguments[i].equals("--"):
            operands.append(arguments[i])
    if operands.length < 2:
        print_error("chmod: missing operand")
        return U8(1)
    result = U8(0)
    try:
        for i in U64.range(1, operands.length):
            if not change(operands[i], operands[0], recursive):
                result = U8(1)
    except BadMode:
        print_error(f"chmod: invalid mode: '{operands[0]}'")
        return U8(1)
    return result

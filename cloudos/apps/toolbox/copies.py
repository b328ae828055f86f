"""cp and mv: files under other names."""

from __future__ import annotations

from cloudos.apps.inputs import CHUNK, reason
from cloudos.apps.options import Options, Usage, parse
from cloudos.apps.paths import base_name, directory_name, join, without_slashes
from cloudos.apps.toolbox.removal import remove_tree
from cloudos.contracts.files import DIRECTORY
from cloudos.contracts.streams import Status
from cloudos.lang import U8, U64, Error, error_code, free_slice, new_slice
from cloudos.sdk import List, NotFound, Text, print_error
from cloudos.sdk.filesystem import (
    absolute,
    change_mode,
    create_file,
    is_directory,
    kind_of,
    list_directory,
    make_directory,
    open_path,
    remove,
    rename,
    same_file,
    set_modified,
    status,
)


def copy_content(source: Text, target: Text, mode: U64) -> None:
    """Copy the bytes of a file; the target is made with this mode if it is not there."""
    reader = open_path(source)
    writer = create_file(target, mode)
    room = new_slice(U8, CHUNK)
    try:
        while True:
            count = reader.read(room)
            if count == 0:
                break
            writer.write(room[0:count])
    finally:
        free_slice(room)
        reader.close()
        writer.close()


def preserve(target: Text, found: Status) -> None:
    """Give a copy the permissions and the time of the original."""
    change_mode(target, found.mode)
    set_modified(target, found.modified)


def is_inside(path: Text, directory: Text) -> bool:
    """Whether a path leads into a directory."""
    return absolute(path).starts_with(f"{absolute(without_slashes(directory))}/")


def copy_file(name: str, source: Text, target: Text, options: Options) -> bool:
    """Copy a file or, with `-r`, a directory; whether that went well. Complains by itself."""
    try:
        found = status(source)
    except Error:
        print_error(f"{name}: cannot stat '{source}': {reason(error_code())}")
        return False
    if found.kind == DIRECTORY:
        if not options.has("rR"):
            print_error(f"{name}: -r not specified; omitting directory '{source}'")
            return False
        return copy_directory(name, source, target, options)
    try:
        existing = status(target)
        if same_file(found, existing):
            print_error(f"{name}: '{source}' and '{target}' are the same file")
            return False
        if existing.kind == DIRECTORY:
            print_error(f"{name}: cannot overwrite directory '{target}' with non-directory")
            return False
    except Error:  # it is not there: the usual case
        pass
    return copy_bytes(name, source, target, found, options)


def copy_bytes(name: str, source: Text, target: Text, found: Status, options: Options) -> bool:
    """Copy a file that is none of a directory; whether that went well."""
    try:
        try:
            copy_content(source, target, found.mode & 0o755)
        except Error:
            if not options.has("f") or kind_of(target) == 0:
                print_error(f"{name}: cannot create regular file '{target}': {reason(error_code())}")
                return False
            remove(target)
            copy_content(source, target, found.mode & 0o755)
        if options.has("p"):
            preserve(target, found)
    except Error:
        print_error(f"{name}: '{target}': {reason(error_code())}")
        return False
    return True


def copy_directory(name: str, source: Text, target: Text, options: Options) -> bool:
    """Copy a directory and all in it; whether that went well."""
    if is_inside(join(target, Text("x")), source):
        print_error(f"{name}: cannot copy a directory, '{source}', into itself, '{target}'")
        return False
    try:
        found = status(source)
        kind = kind_of(target)
        if kind != 0 and kind != DIRECTORY:
            print_error(f"{name}: cannot overwrite non-directory '{target}' with directory '{source}'")
            return False
        if kind == 0:
            make_directory(target, found.mode & 0o755 | 0o700)
        names = list_directory(source)
    except Error:
        print_error(f"{name}: cannot create directory '{target}': {reason(error_code())}")
        return False
    good = True
    for entry in names:
        good = copy_file(name, join(source, entry), join(target, entry), options) and good
    try:
        if options.has("p"):
            preserve(target, found)
    except Error:
        print_error(f"{name}: preserving times for '{target}': {reason(error_code())}")
        good = False
    return good


def targets(name: str, options: Options) -> Text:
    """Take the target off the operands; raises Usage when there are too few, or it is no directory but must be."""
    operands = options.operands
    if operands.length == 0:
        print_error(f"{name}: missing file operand")
        raise Usage
    if operands.length == 1:
        print_error(f"{name}: missing destination file operand after '{operands[0]}'")
        raise Usage
    target = operands.pop()
    if operands.length > 1 and not is_directory(target):
        print_error(f"{name}: target '{target}' is not a directory")
        raise Usage
    return target


def cp(arguments: List[Text]) -> U8:
    """Copy files; `-r` directories too, `-p` keeps times and permissions."""
    try:
        options = parse(arguments, "rRpfa")
        if options.has("a"):
            options.add(U8(0x72), Text(""))
            options.add(U8(0x70), Text(""))
        target = targets("cp", options)
    except Usage:
        return U8(1)
    into = is_directory(target)
    result = U8(0)
    for source in options.operands:
        place = join(target, base_name(source)) if into else target
        if not copy_file("cp", source, place, options):
            result = U8(1)
    return result


def move(source: Text, target: Text, options: Options) -> bool:
    """Give a file another name, by copying it where mounts differ; whether that went well."""
    try:
        found = status(source)
    except Error:
        print_error(f"mv: cannot stat '{source}': {reason(error_code())}")
        return False
    directory = found.kind == DIRECTORY
    if directory and is_inside(join(target, Text("x")), source):
        print_error(f"mv: cannot move '{source}' to a subdirectory of itself, '{target}'")
        return False
    try:
        existing = status(target)
        if same_file(found, existing):
            print_error(f"mv: '{source}' and '{target}' are the same file")
            return False
        if existing.kind == DIRECTORY and not directory:
            print_error(f"mv: cannot overwrite directory '{target}' with non-directory")
            return False
        if existing.kind != DIRECTORY and directory:
            print_error(f"mv: cannot overwrite non-directory '{target}' with directory '{source}'")
            return False
    except NotFound:
        pass
    except Error:
        print_error(f"mv: cannot access '{target}': {reason(error_code())}")
        return False
    try:
        if status(directory_name(target)).mount == found.mount:
            rename(source, target)
            return True
        options.add(U8(0x72), Text(""))
        options.add(U8(0x70), Text(""))
        if not copy_file("mv", source, target, options):
            return False
        remove_tree(source)
        return True
    except Error:
        print_error(f"mv: cannot move '{source}' to '{target}': {reason(error_code())}")
        return False


def mv(arguments: List[Text]) -> U8:
    """Give files other names; `-n` not over others."""
    try:
        options = parse(arguments, "fn")
        target = targets("mv", options)
    except Usage:
        return U8(1)
    into = is_directory(target)
    result = U8(0)
    for source in options.operands:
        place = join(target, base_name(source)) if into else target
        if options.wins("n", "fn") and kind_of(place) != 0:
            continue
        if not move(source, place, options):
            result = U8(1)
    return result

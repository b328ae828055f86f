"""rm: removing files and directories."""

from __future__ import annotations

from cloudos.apps.inputs import reason
from cloudos.apps.options import Options, Usage, parse
from cloudos.apps.paths import base_name, join
from cloudos.contracts.errors import NotDirectory
from cloudos.contracts.files import DIRECTORY
from cloudos.lang import U8, Error, error_code
from cloudos.sdk import List, NotFound, Text, print_error
from cloudos.sdk.filesystem import list_directory, remove, remove_directory, status


def remove_tree(path: Text) -> None:
    """Remove a file, or a directory and all in it."""
    if status(path).kind != DIRECTORY:
        remove(path)
        return
    for name in list_directory(path):
        remove_tree(join(path, name))
    remove_directory(path)


def remove_operand(path: Text, options: Options) -> bool:
    """Remove what an operand names; whether that went well."""
    name = base_name(path)
    if options.has("rR") and (name.equals(".") or name.equals("..")):
        print_error(f"rm: refusing to remove '.' or '..' directory: skipping '{path}'")
        return False
    if options.has("rR") and name.equals("/"):
        print_error("rm: it is dangerous to operate recursively on '/'")
        return False
    try:
        if options.has("rR"):
            remove_tree(path)
        elif options.has("d") and status(path).kind == DIRECTORY:
            remove_directory(path)
        else:
            remove(path)
        return True
    except NotFound:
        if options.has("f"):
            return True
        print_error(f"rm: cannot remove '{path}': No such file or directory")
    except NotDirectory:
        if options.has("f"):
            return True
        print_error(f"rm: cannot remove '{path}': Not a directory")
    except Error:
        print_error(f"rm: cannot remove '{path}': {reason(error_code())}")
    return False


def rm(arguments: List[Text]) -> U8:
    """Remove files; `-r` directories with all in them, `-d` empty ones; `-f`: what is not there is fine."""
    try:
        options = parse(arguments, "rRfd")
    except Usage:
        return U8(1)
    if options.operands.length == 0:
        if options.has("f"):
            return U8(0)
        print_error("rm: missing operand")
        return U8(1)
    result = U8(0)
    for path in options.operands:
        if not remove_operand(path, options):
            result = U8(1)
    return result

"""Files by path: opening, reading, writing and arranging them through the file service.

    writer = FileWriter(create_file(Text("notes")))
    write_text(writer, "first line\\n")
    writer.finish()
    for line in lines(open_path(Text("notes"))):
        print(f"{line}")

A path that does not begin with a slash is relative to the working directory, the environment variable PWD. Functions
raise what the operations of `cloudos.contracts.files.Files` raise: NotFound, Denied, Exists and so on. Times are
nanoseconds since 1970 in UTC, lengths and offsets bytes. A program without a file service finds the files that came
with its image, and can read them only.
"""

from __future__ import annotations

from cloudos.abi import layout
from cloudos.abi.errors import BadArgument, BadState, NotFound, OutOfMemory, QuotaExceeded, SystemCallError
from cloudos.contracts.devices import Clock
from cloudos.contracts.errors import ReadOnly, ServiceError, ServiceGone
from cloudos.contracts.files import CREATE, DIRECTORY, FILE, READ, TRUNCATE, WRITE, Files
from cloudos.contracts.streams import Status
from cloudos.lang import U8, U64, Slice, free_slice, new_slice
from cloudos.sdk import transport
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.slices import find_byte
from cloudos.sdk.collections.text import Text
from cloudos.sdk.component import held
from cloudos.sdk.environment import variable
from cloudos.sdk.file_streams import FileWriter, OpenFile
from cloudos.sdk.files import File, file_paths, open_file

__all__ = [
    "DIRECTORY_MODE",
    "FILE_MODE",
    "FileWriter",
    "OpenFile",
    "absolute",
    "change_mode",
    "create_file",
    "creation_mask",
    "exists",
    "has_service",
    "is_directory",
    "kind_of",
    "list_directory",
    "make_directory",
    "mounts",
    "now",
    "open_path",
    "remove",
    "remove_directory",
    "rename",
    "same_file",
    "set_modified",
    "space",
    "status",
    "working_directory",
]

SERVICE = "files"  # the name under which a program holds its session of the file service
FILE_MODE = U64(0o666)  # permissions of files that are made without saying which, but for those of `creation_mask`
DIRECTORY_MODE = U64(0o777)
READING = U64(READ)
SLASH = ord("/")
LISTING = 4032  # bytes of names asked for at a time


def has_service() -> bool:
    """Whether there is a file service, and not only the files of the image."""
    return held(SERVICE) != 0


def _files() -> Files:
    """The session of the file service. Raises ReadOnly when there is none: only the image's files are there."""
    handle = held(SERVICE)
    if handle == 0:
        raise ReadOnly
    prepare()
    return Files(handle)


def now() -> U64:
    """The time of day, from the clock service; raises NotFound when the program was not given one."""
    handle = held("clock")
    if handle == 0:
        raise NotFound
    prepare()
    return Clock(handle).now()


def prepare() -> None:
    """Take the message buffer, if that was not done yet; raises ServiceGone when it is not possible."""
    if transport.ATTACHED.address != 0:
        return
    try:
        transport.attach()
    except BadState:  # the thread has it already
        transport.ATTACHED.address = U64(layout.MESSAGE_BUFFER)
    except (BadArgument, OutOfMemory, QuotaExceeded):
        raise ServiceGone from None


def working_directory() -> Text:
    """The absolute path that relative ones begin from."""
    path = variable("PWD")
    return Text("/") if path is None or not path.starts_with("/") else path


def absolute(path: Text) -> Text:
    """The path from the root on; `.` and `..` stay in it. Raises NotFound for an empty path, as POSIX wants."""
    if path.length == 0:
        raise NotFound
    if path[0] == SLASH:
        return path
    base = working_directory()
    return Text(f"{base}{path}") if base.ends_with("/") else Text(f"{base}/{path}")


def creation_mask() -> U64:
    """Permissions that new files do not get: the variable UMASK, in octal digits; 022 without it."""
    text = variable("UMASK")
    if text is None:
        return U64(0o022)
    mask = U64(0)
    for byte in text.content:
        mask = (mask * 8 + U64(byte & 7)) & 0o777
    return mask


def open_path(path: Text, flags: U64 = READING, mode: U64 = FILE_MODE) -> OpenFile:
    """Open a file. `flags`: READ, WRITE, APPEND, CREATE, EXCLUSIVE, TRUNCATE of `cloudos.contracts.files`.

    `mode`: permission bits of a file that is created. Raises what `Files.open` does.
    """
    if not has_service() and flags == READ:
        return OpenFile(U64(0), _image_file(path))
    whole = absolute(path)
    return OpenFile(_files().open(whole.content, flags, mode & ~creation_mask() if flags & CREATE != 0 else mode), None)


def create_file(path: Text, mode: U64 = FILE_MODE) -> OpenFile:
    """Open a file for writing, empty, made if it is not there."""
    return open_path(path, U64(WRITE | CREATE | TRUNCATE), mode)


def _image_file(path: Text) -> File:
    """A file of the image: by the path as it is, or by the absolute one."""
    try:
        return open_file(path)
    except NotFound:
        return open_file(absolute(path))


def status(path: Text) -> Status:
    """What is known of a file; raises NotFound, NotDirectory and others."""
    if has_service():
        whole = absolute(path)
        return _files().status(whole.content)
    return Status(U64(FILE), U64(0o444), _image_file(path).length, links=U64(1))


def exists(path: Text) -> bool:
    """Whether there is something that can be asked for by this path."""
    return kind_of(path) != 0


def is_directory(path: Text) -> bool:
    """Whether the path leads to a directory."""
    return kind_of(path) == DIRECTORY


def kind_of(path: Text) -> U64:
    """FILE, DIRECTORY or another kind of `cloudos.contracts.files`; 0 when nothing can be found there."""
    try:
        return status(path).kind
    except (SystemCallError, ServiceError):
        return U64(0)


def same_file(left: Status, right: Status) -> bool:
    """Whether two paths led to one file."""
    return left.number == right.number and left.mount == right.mount and left.number != 0


def list_directory(path: Text) -> List[Text]:
    """The names in a directory without `.` and `..`, in byte order."""
    result = List[Text]()
    if not has_service():
        return file_paths()
    whole = absolute(path)
    files = _files()
    room = new_slice(U8, LISTING)
    try:
        while True:
            count = files.list(whole.content, result.length, room)
            if count == 0:
                break
            _add_names(room[0:count], result)
    finally:
        free_slice(room)
    result.sort()
    return result


def _add_names(content: Slice[U8], names: List[Text]) -> None:
    """Add texts that each end with a zero byte."""
    start = U64(0)
    while start < content.length:
        end = find_byte(content[start : content.length], U8(0))
        if end is None:
            return
        names.append(Text.from_bytes(content[start : start + end]))
        start += end + 1


def make_directory(path: Text, mode: U64 = DIRECTORY_MODE) -> None:
    """Make a directory with these permission bits, but for those of `creation_mask`."""
    whole = absolute(path)
    _files().make_directory(whole.content, mode & ~creation_mask())


def remove_directory(path: Text) -> None:
    """Remove an empty directory."""
    whole = absolute(path)
    _files().remove_directory(whole.content)


def remove(path: Text) -> None:
    """Remove a file; raises IsDirectory for a directory."""
    whole = absolute(path)
    _files().remove(whole.content)


def rename(old: Text, new: Text) -> None:
    """Give a file or directory another path, over what is there. BadArgument: into itself, or to another mount."""
    source = absolute(old)
    target = absolute(new)
    _files().rename(source.content, target.content)


def change_mode(path: Text, mode: U64) -> None:
    """Set the permission bits."""
    whole = absolute(path)
    _files().change_mode(whole.content, mode)


def set_modified(path: Text, time: U64) -> None:
    """Set the time of the last change."""
    whole = absolute(path)
    _files().set_modified(whole.content, time)


def space(path: Text) -> tuple[U64, U64]:
    """Of the mount that holds a path: how many bytes it may hold, and how many it holds."""
    whole = absolute(path)
    return _files().space(whole.content)


def mounts() -> List[Text]:
    """The mount points, each as `kind path options`."""
    result = List[Text]()
    files = _files()
    room = new_slice(U8, LISTING)
    try:
        while True:
            count = files.mounts(result.length, room)
            if count == 0:
                break
            _add_names(room[0:count], result)
    finally:
        free_slice(room)
    return result

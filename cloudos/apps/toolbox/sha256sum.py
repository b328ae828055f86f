"""sha256sum: digests of files, and whether files still have them."""

from __future__ import annotations

from cloudos.apps.digests import digest_of
from cloudos.apps.inputs import open_input, operands_or_input, reason
from cloudos.apps.options import Usage, parse
from cloudos.lang import U8, U64, Error, error_code, managed, write_text
from cloudos.sdk import ByteBuffer, List, Text, lines, print_error, stdout

BACKSLASH = ord("\\")
NEWLINE = ord("\n")
CARRIAGE_RETURN = ord("\r")
DIGITS = 64


def write_digest(digest: Text, name: Text, mode: str) -> None:
    """One line. A name that would break the line is escaped, and a backslash before the line says so."""
    escaped = ByteBuffer()
    for byte in name.content:
        if byte == BACKSLASH:
            write_text(escaped, "\\\\")
        elif byte == NEWLINE:
            write_text(escaped, "\\n")
        elif byte == CARRIAGE_RETURN:
            write_text(escaped, "\\r")
        else:
            escaped.append(byte)
    mark = "" if escaped.length == name.length else "\\"
    write_text(stdout, f"{mark}{digest} {mode}{escaped.to_text()}\n")


@managed
class Check:
    """Counts of a run with `-c`."""

    mismatched: U64
    unreadable: U64
    malformed: U64
    good: U64

    def line(self, line: Text) -> None:
        """Look at one line of a list of digests."""
        if line.length < DIGITS + 3 or not is_digest(line) or line[DIGITS] != 0x20:
            self.malformed += 1
            return
        name = line.slice(U64(DIGITS + 2), line.length)
        try:
            digest = digest_of(open_input(name))
        except Error:
            print_error(f"sha256sum: {name}: {reason(error_code())}")
            write_text(stdout, f"{name}: FAILED open or read\n")
            self.unreadable += 1
            return
        if digest == line.slice(U64(0), U64(DIGITS)).lower():
            self.good += 1
            write_text(stdout, f"{name}: OK\n")
        else:
            self.mismatched += 1
            write_text(stdout, f"{name}: FAILED\n")

    def finish(self, path: Text) -> bool:
        """Say what was wrong with a list; whether all was well."""
        if self.good + self.mismatched + self.unreadable == 0:
            print_error(f"sha256sum: {path}: no properly formatted checksum lines found")
            return False
        if self.malformed > 0:
            print_error(f"sha256sum: WARNING: {counted(self.malformed, 'line is', 'lines are')} improperly formatted")
        if self.unreadable > 0:
            print_error(
                f"sha256sum: WARNING: {counted(self.unreadable, 'listed file', 'listed files')} could not be read"
            )
        if self.mismatched > 0:
            count = counted(self.mismatched, "computed checksum", "computed checksums")
            print_error(f"sha256sum: WARNING: {count} did NOT match")
        return self.mismatched + self.unreadable == 0


def counted(number: U64, one: str, many: str) -> Text:
    return Text(f"{number} {one}") if number == 1 else Text(f"{number} {many}")


def is_digest(line: Text) -> bool:
    """Whether a line begins with the digits of a digest."""
    for i in U64.range(DIGITS):
        byte = line[i]
        letter = byte | 0x20
        if not (byte >= 0x30 and byte <= 0x39) and not (letter >= 0x61 and letter <= 0x66):
            return False
    return True


def check_lists(paths: List[Text]) -> U8:
    """Check the files that lists name against their digests."""
    status = U8(0)
    for path in paths:
        check = Check(U64(0), U64(0), U64(0), U64(0))
        try:
            for line in lines(open_input(path)):
                check.line(line)
        except Error:
            print_error(f"sha256sum: {path}: {reason(error_code())}")
            status = U8(1)
            continue
        if not check.finish(path):
            status = U8(1)
    return status


def sha256sum(arguments: List[Text]) -> U8:
    """Write the SHA-256 digests of files; `-c`: check the digests in a list."""
    try:
        options = parse(arguments, "cbt")
    except Usage:
        return U8(1)
    paths = operands_or_input(options.operands)
    if options.has("c"):
        return check_lists(paths)
    status = U8(0)
    for path in paths:
        try:
            digest = digest_of(open_input(path))
        except Error:
            print_error(f"sha256sum: {path}: {reason(error_code())}")
            status = U8(1)
            continue
        write_digest(digest, path, "*" if options.wins("b", "bt") else " ")
    return status

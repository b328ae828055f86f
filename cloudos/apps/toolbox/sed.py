"""sed: edit lines by a script."""

from __future__ import annotations

from cloudos.apps.inputs import operands_or_input, reason
from cloudos.apps.options import Options, Usage, parse
from cloudos.apps.toolbox.sed_input import input_of
from cloudos.apps.toolbox.sed_run import machine
from cloudos.apps.toolbox.sed_script import BadScript, Script, parse_script
from cloudos.lang import U8, U64, Error, error_code
from cloudos.sdk import List, Text, print_error, stdout
from cloudos.sdk.filesystem import FileWriter, create_file, open_path, rename

FAILED = 1
CANNOT_READ = 2
CANNOT_WRITE = 4


def script_text(options: Options) -> Text:
    """What `-e` and `-f` say, or the first operand, which is taken. Raises Usage."""
    parts = List[Text]()
    wanted = Text("ef")
    for i in U64.range(options.letters.length):
        if options.letters[i] == wanted[0]:
            parts.append(options.values[i])
        elif options.letters[i] == wanted[1]:
            try:
                content = open_path(options.values[i]).read_all()
                text = Text.from_bytes(content.content)
                parts.append(text.slice(U64(0), text.length - 1) if text.ends_with("\n") else text)
            except Error:
                print_error(f"sed: couldn't open file {options.values[i]}: {reason(error_code())}")
                raise Usage from None
    if parts.length == 0:
        if options.operands.length == 0:
            print_error("usage: sed [-Ensi] [-e SCRIPT] [-f FILE] [SCRIPT] [FILE]...")
            raise Usage
        parts.append(options.operands.remove_at(U64(0)))
    return Text("\n").join(parts)


def edit(script: Script, paths: List[Text], quiet: bool) -> U8:
    """Edit files as one, to standard output; the exit status."""
    made = machine(script.commands, input_of(paths), stdout, quiet)
    if not made.open_files():
        return U8(CANNOT_WRITE)
    made.run()
    for writer in made.files.values():
        writer.finish()
    return made.status if made.status != 0 else made.input.status


def edit_alone(script: Script, path: Text, quiet: bool) -> U8:
    """Edit one file to standard output; the exit status."""
    alone = List[Text]()
    alone.append(path)
    return edit(script, alone, quiet)


def edit_in_place(script: Script, path: Text, quiet: bool) -> U8:
    """Edit a file and put the result in its place; the exit status."""
    alone = List[Text]()
    alone.append(path)
    try:
        open_path(path).close()
        name = Text(f"{path}.sed")
        writer = FileWriter(create_file(name))
        made = machine(script.commands, input_of(alone), writer, quiet)
        if not made.open_files():
            return U8(CANNOT_WRITE)
        made.run()
        writer.finish()
        for other in made.files.values():
            other.finish()
        rename(name, path)
        return made.status
    except Error:
        print_error(f"sed: can't edit {path}: {reason(error_code())}")
        return U8(CANNOT_WRITE)


def sed(arguments: List[Text]) -> U8:
    """Run a script on each line of files or standard input, and write the lines that result."""
    try:
        options = parse(arguments, "nErsie:f:")
        script = parse_script(script_text(options), options.has("Er"))
    except Usage:
        return U8(FAILED)
    try:
        script.parse()
    except BadScript:
        print_error(f"sed: {script.problem}")
        return U8(FAILED)
    quiet = options.has("n") or (script.text.length > 1 and script.text.starts_with("#n\n"))
    try:
        if not options.has("is"):
            return edit(script, operands_or_input(options.operands), quiet)
        status = U8(0)
        for path in options.operands:
            one = edit_in_place(script, path, quiet) if options.has("i") else edit_alone(script, path, quiet)
            status = max(status, one)
        return status
    except Error:
        print_error(f"sed: {reason(error_code())}")
        return U8(CANNOT_WRITE)

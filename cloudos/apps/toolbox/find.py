"""find: files in directories, chosen by an expression."""

from __future__ import annotations

from cloudos.apps.inputs import reason
from cloudos.apps.options import Usage
from cloudos.apps.paths import join
from cloudos.apps.toolbox.find_execution import Execution
from cloudos.apps.toolbox.find_expression import MANY, Expression, Node, holds, visit_of
from cloudos.contracts.files import DIRECTORY
from cloudos.lang import U8, U64, Error, error_code
from cloudos.sdk import List, Text, print_error
from cloudos.sdk.filesystem import list_directory, status


def begins_expression(word: Text) -> bool:
    """Whether a word ends the list of paths."""
    return (word.length > 1 and word.starts_with("-")) or word.equals("!") or word.equals("(")


def walk(path: Text, level: U64, expression: Expression, root: Node) -> bool:
    """Look at a file and, when it is a directory, at what is in it; whether all went well."""
    try:
        visit = visit_of(path, status(path))
    except Error:
        print_error(f"find: '{path}': {reason(error_code())}")
        return False
    good = True
    if not expression.late and level >= expression.least:
        holds(root, visit)
    if visit.kind == DIRECTORY and level < expression.most and not visit.pruned:
        try:
            for name in list_directory(path):
                good = walk(join(path, name), level + 1, expression, root) and good
        except Error:
            print_error(f"find: '{path}': {reason(error_code())}")
            good = False
    if expression.late and level >= expression.least:
        holds(root, visit)
    return good and not visit.failed


def find(arguments: List[Text]) -> U8:
    """Go through directories and write the paths, or do what an expression says."""
    paths = List[Text]()
    i = U64(1)
    while i < arguments.length and not begins_expression(arguments[i]):
        paths.append(arguments[i])
        i += 1
    if paths.length == 0:
        paths.append(Text("."))
    words = arguments.slice(i, arguments.length)
    expression = Expression(words, U64(0), U64(0), U64(0), U64(MANY), False, False, List[Execution]())
    try:
        root = expression.whole()
    except Usage:
        return U8(1)
    result = U8(0)
    for path in paths:
        if not walk(path, U64(0), expression, root):
            result = U8(1)
    for batch in expression.batches:
        if not batch.finish():
            result = U8(1)
    return result

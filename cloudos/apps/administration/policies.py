"""policy: the policy in force."""

from __future__ import annotations

from cloudos.abi.objects import Operation
from cloudos.apps.administration.access import LISTING, Failed, add_items, complain, fields, need, number
from cloudos.apps.administration.columns import table
from cloudos.apps.administration.formats import printable
from cloudos.apps.options import Usage, parse
from cloudos.contracts.policies import Policies
from cloudos.lang import U8, U64, Error, error_code, free_slice, new_slice, write_text
from cloudos.sdk import List, Text, print_error, stdout


def list_labels(service: Policies) -> List[Text]:
    """All labels, each `number name` or `number`. Raises what `Policies.labels` does."""
    room = new_slice(U8, LISTING)
    try:
        items = List[Text]()
        while add_items(room[0 : service.labels(items.length, room)], items):
            pass
        return items
    finally:
        free_slice(room)


def operation_names(allowed: U64) -> Text:
    """The names of classes of operations, as docs/security.md has them, with commas between them."""
    names = List[Text]()
    if allowed & U64(Operation.TRANSFER) != 0:
        names.append(Text("transfer"))
    if allowed & U64(Operation.CALL) != 0:
        names.append(Text("call"))
    if allowed & U64(Operation.SIGNAL) != 0:
        names.append(Text("signal"))
    if allowed & U64(Operation.SHARE) != 0:
        names.append(Text("share"))
    if allowed & U64(Operation.CONTROL) != 0:
        names.append(Text("control"))
    if allowed & U64(Operation.INSPECT) != 0:
        names.append(Text("inspect"))
    return Text(",").join(names)


def shown_name(label: Text) -> Text:
    """What to call a label: its name, or its number when it has none."""
    parts = fields(label, U64(2))
    return Text(f"{printable(parts[parts.length - 1].content)}")


def show_pairs(service: Policies, labels: List[Text]) -> None:
    """Write a table of all pairs that may do something. Raises what `Policies.allowed` does, InvalidNumber."""
    shown = table(U64(3), U64(0))
    shown.add_words("SUBJECT OBJECT OPERATIONS")
    for subject in labels:
        for object in labels:
            allowed = service.allowed(number(fields(subject, U64(2))[0]), number(fields(object, U64(2))[0]))
            if allowed != 0:
                shown.add_text(shown_name(subject))
                shown.add_text(shown_name(object))
                shown.add_text(operation_names(allowed))
    shown.show()


def policy(arguments: List[Text]) -> U8:
    """Show what each label may do to which other; what is not shown is denied."""
    if parse(arguments, "").operands.length > 0:
        print_error("usage: policy")
        raise Usage
    service = Policies(need("policy", "policy", "Policies.allowed"))
    try:
        labels = list_labels(service)
        if labels.length == 0:
            write_text(stdout, "no policy: everything is allowed that a capability permits\n")
        else:
            show_pairs(service, labels)
        return U8(0)
    except Error:
        complain("policy", "Policies.allowed", error_code())
        raise Failed from None

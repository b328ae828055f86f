"""The utilities that show and manage the system, in one program.

The last component of argument 0 says which utility runs; when it names none, argument 1 does.
"""

from __future__ import annotations

from cloudos.apps.administration.access import Failed
from cloudos.apps.administration.table import dispatch
from cloudos.apps.multicall import run_named
from cloudos.apps.options import Usage
from cloudos.lang import U8, U64, struct
from cloudos.sdk import List, Text, run

FAILED = 1


@struct
class Administration:
    """The utilities as a table."""

    unused: U64 = U64(0)

    def call(self, name: Text, arguments: List[Text]) -> U8 | None:
        """See `multicall.Table`. The utility finds its bare name as the first argument; errors are status 1."""
        arguments[0] = name
        try:
            return dispatch(name, arguments)
        except (Failed, Usage):
            return U8(FAILED)


ADMINISTRATION = Administration()


def main(arguments: List[Text]) -> U8:
    """Run the utility that the arguments name; its status."""
    return run_named(ADMINISTRATION, arguments)


if __name__ == "__main__":
    run(main)

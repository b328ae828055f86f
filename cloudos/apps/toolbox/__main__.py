"""The POSIX utilities in one program.

    bin/cloudos run cloudos/apps/toolbox/__main__.py echo hello

The last component of argument 0 says which utility runs; when it names none, argument 1 does.
"""

from __future__ import annotations

from cloudos.apps.multicall import run_named
from cloudos.apps.toolbox.table import dispatch
from cloudos.lang import U8, U64, struct
from cloudos.sdk import List, Text, run


@struct
class Toolbox:
    """The utilities as a table."""

    unused: U64 = U64(0)

    def call(self, name: Text, arguments: List[Text]) -> U8 | None:
        """See `multicall.Table`."""
        return dispatch(name, arguments)


TOOLBOX = Toolbox()


def main(arguments: List[Text]) -> U8:
    """Run the utility that the arguments name; its status."""
    return run_named(TOOLBOX, arguments)


if __name__ == "__main__":
    run(main)

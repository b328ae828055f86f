"""The smallest program: one line on standard output.

bin/cloudos run examples/hello.py
bin/cloudos run examples/hello.py Ada
"""

from __future__ import annotations

from cloudos.sdk import List, Text, print, run


def main(args: List[Text]) -> None:
    if args.length > 1:
        print(f"Hello, {args[1]}!")
    else:
        print("Hello, world!")


if __name__ == "__main__":
    run(main)

"""The utilities by name. A new one is imported and added to `UTILITIES`."""

from __future__ import annotations

from collections.abc import Callable

from cloudos.apps.multicall import dispatcher
from cloudos.apps.toolbox.cat import cat
from cloudos.apps.toolbox.cmp import cmp
from cloudos.apps.toolbox.condition import bracket, test
from cloudos.apps.toolbox.copies import cp, mv
from cloudos.apps.toolbox.cut import cut
from cloudos.apps.toolbox.date import date
from cloudos.apps.toolbox.echo import echo
from cloudos.apps.toolbox.ends import head, tail
from cloudos.apps.toolbox.env import env
from cloudos.apps.toolbox.expr import expr
from cloudos.apps.toolbox.find import find
from cloudos.apps.toolbox.grep import grep
from cloudos.apps.toolbox.hexdump import hexdump
from cloudos.apps.toolbox.ls import ls
from cloudos.apps.toolbox.make import chmod, mkdir, rmdir, touch
from cloudos.apps.toolbox.printf import printf
from cloudos.apps.toolbox.removal import rm
from cloudos.apps.toolbox.sed import sed
from cloudos.apps.toolbox.seq import seq
from cloudos.apps.toolbox.sha256sum import sha256sum
from cloudos.apps.toolbox.small import basename, dirname, false, pwd, sleep, tee, true, uname, yes
from cloudos.apps.toolbox.sort import sort
from cloudos.apps.toolbox.tr import tr
from cloudos.apps.toolbox.uniq import uniq
from cloudos.apps.toolbox.wc import wc
from cloudos.apps.toolbox.xargs import xargs
from cloudos.lang import U8
from cloudos.sdk import List, Text

UTILITIES: dict[str, Callable[[List[Text]], U8]] = {
    "[": bracket,
    "basename": basename,
    "cat": cat,
    "chmod": chmod,
    "cmp": cmp,
    "cp": cp,
    "cut": cut,
    "date": date,
    "dirname": dirname,
    "echo": echo,
    "env": env,
    "expr": expr,
    "false": false,
    "find": find,
    "grep": grep,
    "head": head,
    "hexdump": hexdump,
    "ls": ls,
    "mkdir": mkdir,
    "mv": mv,
    "printf": printf,
    "pwd": pwd,
    "rm": rm,
    "rmdir": rmdir,
    "sed": sed,
    "seq": seq,
    "sha256sum": sha256sum,
    "sleep": sleep,
    "sort": sort,
    "tail": tail,
    "tee": tee,
    "test": test,
    "touch": touch,
    "tr": tr,
    "true": true,
    "uname": uname,
    "uniq": uniq,
    "wc": wc,
    "xargs": xargs,
    "yes": yes,
}
NAMES = tuple(UTILITIES)
"""For the image: each is a file that holds this program."""

dispatch = dispatcher(UTILITIES, __name__)
"""Run the utility of a name with its arguments, the name first; None when there is none of that name."""

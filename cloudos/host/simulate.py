"""`cloudos simulate`: the whole system on the simulated machine, in a Python process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from cloudos.host import state
from cloudos.host.bootstrap import Environment, SetupError
from cloudos.host.errors import ToolError

MODULE = "tests.simulation"


def simulate(options: Sequence[str]) -> int:
    """Run the simulation with its own options; its exit status. Raises ToolError outside of a checkout."""
    if not state.is_checkout():
        raise ToolError("the simulation runs from a checkout of the repository", "clone it and run bin/cloudos there")
    try:
        Environment(state.ROOT, state.directory()).ensure("test")
    except SetupError as error:
        raise ToolError(str(error), "the simulation needs these packages") from error
    state.use_cache()
    # A seed is a run only where sets and dictionaries of texts have the same order every time.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(state.ROOT)}
    return subprocess.run([sys.executable, "-m", MODULE, *options], cwd=state.ROOT, env=environment).returncode

"""The tool on the developer's machine. Entry point: `cloudos.host.cli.main`. Nothing imports this package."""

from __future__ import annotations

"""Service interfaces: one file each. A declaration is also the client: `Files(handle).status(path)`."""

from __future__ import annotations

# The SDK's own streams are contracts: whichever of the two packages is imported first, the SDK has to begin.
import cloudos.sdk.contract  # noqa: F401

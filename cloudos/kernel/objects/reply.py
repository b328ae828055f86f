"""The reply: where the answer to a call goes. It lives in the calling thread, which can have one call under way.

The receiver of a call gets one handle to it. Replying empties that handle; closing it, or the end of the process that
holds it, fails the call with PeerGone.
"""

from __future__ import annotations

from cloudos.kernel.objects.header import Header
from cloudos.lang import U64, Ptr, null, struct, zeroed


@struct
class Reply:
    """`caller`: the thread of which this is a part."""

    header: Header = zeroed()
    caller: Ptr[Header] = null()
    # By which the process that serves the call knows this.
    handle: U64 = U64(0)

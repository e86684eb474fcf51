"""Children that never outlive us."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def end_with_parent() -> Callable[[], None]:
    """A `preexec_fn`: the kernel kills the child when we die, even by SIGKILL (Linux only).

    The child must be started from a thread that lives as long as it shall.
    """
    parent = os.getpid()

    def prepare() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            # We may have died before the call above.
            if os.getppid() != parent:
                os._exit(1)

    return prepare

"""How much memory can still be taken (of the machine, or of the container where that has less), and how it is said."""

from pathlib import Path

import psutil

GROUPS = (  # where Linux says what a container may use and what it uses, of both versions
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def free_bytes() -> int:
    """Bytes that this process can still take."""
    free = int(psutil.virtual_memory().available)
    for most, used in GROUPS:
        try:
            free = min(free, int(most.read_text()) - int(used.read_text()))
        except (OSError, ValueError):  # no such file, or no limit
            continue
    return max(0, free)


def size(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"

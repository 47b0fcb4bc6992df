"""How the web process asks for memory."""

import re
import subprocess
import sys

import pytest

THREADS_TAKE_MEMORY = """
import ctypes, threading
{call}
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
def take():
    library.malloc(50_000)
threads = [threading.Thread(target=take) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library.malloc_info(0, ctypes.c_void_p.in_dll(library, "stdout"))
library.fflush(None)
"""
SHARED = "from sendmill.commands.memory import share_one_heap; share_one_heap()"


@pytest.mark.parametrize(("call", "is_shared"), [(SHARED, True), ("", False)])
def test_threads_share_one_heap(call: str, is_shared: bool) -> None:
    """What glibc tells of its heaps, in a process of its own."""
    script = THREADS_TAKE_MEMORY.format(call=call)
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    heaps = len(re.findall("<heap nr=", told))
    assert heaps == 1 if is_shared else heaps > 1

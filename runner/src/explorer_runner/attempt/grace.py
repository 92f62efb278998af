"""The end of a container after its SIGTERM, whatever its main thread is at.

Python calls the handler of a signal in the main thread, and not before that returns from a request to S3
that does not come to an end. What ``signal.set_wakeup_fd`` gets is written at once: a thread reads it.
"""

import os
import signal
import threading

_CHUNK = 512


def watch(wakeup: int, seconds: float, code: int) -> int:
    """End this process with ``code`` so many seconds after a SIGTERM, which has to have a handler.

    Returns what is to be given to ``signal.set_wakeup_fd``; what comes there is passed on to ``wakeup``.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    threading.Thread(target=_watch, args=(reader, wakeup, seconds, code), daemon=True).start()
    return writer


def _watch(reader: int, wakeup: int, seconds: float, code: int) -> None:
    while numbers := os.read(reader, _CHUNK):
        try:
            os.write(wakeup, numbers)
        except BlockingIOError:
            pass  # it is full, so its reader will wake up
        if signal.SIGTERM in numbers:
            timer = threading.Timer(seconds, os._exit, (code,))
            timer.daemon = True
            timer.start()

"""Pictures of strangers are decoded in processes of their own, which a deadline or a crash can leave behind.

`python -m page.decoding` is such a process: it reads pictures from its input and writes pixels or sentences.
"""

import contextlib
import io
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue

from PIL import Image

from elastic.picture import open_picture

SECONDS = 20  # that a picture may take
PATIENCE = 5  # seconds that a picture waits for others
MEMORY = 3 * 2**30  # bytes of addresses: what MAX_PIXELS need, several times over
WORKERS = 2  # one slow picture does not keep everybody waiting
SIZE, PIXELS, SENTENCE = struct.Struct(">Q"), b"P", b"S"
TOO_LONG = "The picture takes longer to read than the {} s it is given. Save a smaller copy and try again."
BROKE = "This picture cannot be read: reading it needs more memory than there is, or it is damaged. Save it anew."
NOT_NOW = "Pictures cannot be read at the moment: the server has too much to do. Try again in a minute."
BUSY = "Too many pictures are being read at once. Try again in a minute."


class PictureDecoder:
    """Opens pictures as `open_picture` does, `workers` at once; processes are started when they are needed."""

    def __init__(self, workers: int = WORKERS, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._all: list[subprocess.Popen] = []
        self._free: Queue[subprocess.Popen | None] = Queue()
        for _ in range(workers):
            self._free.put(None)

    def open(self, content: bytes) -> Image.Image:
        """The picture in a file's content.

        Raises:
            ValueError: if it cannot be read, in time.
        """
        if not content:
            open_picture(io.BytesIO(content))  # which says what is wrong
        try:
            worker = self._free.get(timeout=PATIENCE)
        except Empty:
            raise ValueError(BUSY) from None
        try:
            if worker is None or worker.poll() is not None:
                _end(worker)
                worker = None
                worker = _start()
                self._all = [other for other in self._all if other.poll() is None] + [worker]
            return _ask(worker, content, self.seconds)
        except OSError as error:  # of starting it: there is no memory, or no room for another process
            raise ValueError(NOT_NOW) from error
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """End the processes, whatever they are at."""
        for worker in list(self._all):
            worker.kill()


def _start() -> subprocess.Popen:
    command = [sys.executable, "-m", "page.decoding"]
    folder = Path(__file__).parent.parent
    # A session of its own: what is typed at the program's terminal is not for it. One thread: each reserves memory.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **pipes)


def _end(worker: subprocess.Popen | None) -> None:
    """Leave a process behind, whatever it is at."""
    if worker is not None:
        worker.kill()
        worker.wait()
        with contextlib.suppress(OSError):  # of what was still to be written
            worker.stdin.close()
        worker.stdout.close()


def _ask(worker: subprocess.Popen, content: bytes, seconds: float) -> Image.Image:
    late = threading.Event()

    def give_up() -> None:
        late.set()
        worker.kill()

    deadline = threading.Timer(seconds, give_up)
    deadline.start()
    try:
        _write(worker.stdin, content)
        kind, answer = worker.stdout.read(1), _read(worker.stdout)
    except OSError:
        kind, answer = b"", b""
    finally:
        deadline.cancel()
    if kind == SENTENCE:
        raise ValueError(answer.decode())
    if kind != PIXELS or len(answer) < 8:
        _end(worker)
        raise ValueError(TOO_LONG.format(f"{seconds:g}") if late.is_set() else BROKE)
    width, height = struct.unpack(">II", answer[:8])
    return Image.frombytes("RGB", (width, height), answer[8:])


def _write(file: io.BufferedWriter, content: bytes) -> None:
    file.write(SIZE.pack(len(content)))
    file.write(content)
    file.flush()


def _read(file: io.BufferedReader) -> bytes:
    """What the other side wrote, empty where it has ended."""
    head = file.read(SIZE.size)
    return file.read(SIZE.unpack(head)[0]) if len(head) == SIZE.size else b""


def main() -> None:
    """Answer until the program that started this one has ended."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # Whatever a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while content := _read(sys.stdin.buffer):
        signal.alarm(SECONDS + 5)  # ends this process, should nobody be left to do so
        try:
            picture = open_picture(io.BytesIO(content))
            kind, answer = PIXELS, struct.pack(">II", *picture.size) + picture.tobytes()
        except ValueError as error:
            kind, answer = SENTENCE, str(error).encode()
        signal.alarm(0)
        answers.write(kind)
        _write(answers, answer)


if __name__ == "__main__":
    main()

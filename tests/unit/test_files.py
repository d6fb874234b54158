"""Files are written whole, or stay as they were; what cannot be written is known before the work."""

import argparse
import errno
import io
import os
import resource
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from elastic import files
from elastic.files import append, claimed, one_sentence, out_file, out_folder, whole, writable, write

ROOT = Path(__file__).parents[2]


@contextmanager
def little_room(size):
    """No file may grow beyond a size: what a full disk does, for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_folder_and_leaves_nothing_beside_it(tmp_path):
    write(tmp_path / "new" / "a.txt", "käse\n")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "käse\n".encode()
    assert names(tmp_path / "new") == ["a.txt"]


def test_a_new_file_has_the_rights_of_new_files_and_an_old_one_keeps_its_own(tmp_path):
    (tmp_path / "plain").write_text("")
    write(tmp_path / "new", "a")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "plain").chmod(0o640)
    write(tmp_path / "plain", "b")
    assert (tmp_path / "plain").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o022, 0o027, 0o077])
def test_a_new_file_is_for_whom_the_user_lets_new_files_be(tmp_path, mask):
    before = os.umask(mask)
    try:
        write(tmp_path / "a", "a")
        assert os.umask(mask) == mask, "and the user's choice stays"
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


def test_while_a_file_is_written_nobody_else_can_read_it(tmp_path):
    """It may be to replace one that is its owner's only."""
    with whole(tmp_path / "a"):
        (part,) = tmp_path.iterdir()
        assert part.stat().st_mode & 0o777 == 0o600


def test_whoever_stops_the_program_while_it_writes_finds_what_was_there_and_nothing_else(tmp_path, monkeypatch):
    """Ctrl-C is no error like others: it passes by where errors are caught."""
    path = tmp_path / "a"
    path.write_text("before")

    def stopped(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), whole(path) as file:
        file.write(b"half")
        stopped()
    monkeypatch.setattr("elastic.files.os.fsync", stopped)
    for action in (lambda: write(path, "whole"), lambda: writable(path), lambda: out_folder(str(tmp_path))):
        with pytest.raises(KeyboardInterrupt):
            action()
    assert path.read_text() == "before" and names(tmp_path) == ["a"]


def test_what_fails_in_the_middle_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a"
    path.write_text("before")
    with pytest.raises(RuntimeError), whole(path) as file:
        file.write(b"half")
        raise RuntimeError
    with little_room(1000), pytest.raises(ValueError, match=r"a cannot be written \(File too large\); what is there"):
        write(path, b"x" * 2000)
    assert path.read_text() == "before" and names(tmp_path) == ["a"]


def test_a_reader_never_meets_half_a_file(tmp_path):
    path, halves, ended = tmp_path / "a", [], threading.Event()
    write(path, b"0" * 300_000)

    def look():
        while not ended.is_set():
            content = path.read_bytes()
            if len(content) != 300_000 or len(set(content)) != 1:
                halves.append(len(content))

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(30):
        write(path, str(number % 10).encode() * 300_000)
    ended.set()
    reader.join()
    assert halves == []


def test_a_link_goes_on_pointing_where_it_points(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "a")
    write(tmp_path / "link", "a")
    write(tmp_path / "link", "b")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "there" / "a").read_text() == "b"


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = []
    with pytest.raises(ValueError, match="No such device"):
        writable(pipe)  # nobody reads it, and nobody is waited for
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    write(pipe, "through")
    reader.join()
    assert found == [b"through"] and pipe.is_fifo()
    assert writable(Path("/dev/full")) and Path("/dev/full").is_char_device()
    with pytest.raises(ValueError, match=r"/dev/full cannot be written \(No space left on device\)"):
        write(Path("/dev/full"), "a")
    assert Path("/dev/full").is_char_device()


def unwritable(tmp_path):
    (tmp_path / "file").write_text("a")
    return [
        (tmp_path, "it is a folder"),
        (Path(), "it is a folder"),
        (tmp_path / "file" / "a", "Not a directory|File exists"),
        (tmp_path / ("x" * 300), "File name too long"),
        (Path("/proc/nowhere/a"), "No such file or directory"),
        (tmp_path / "a\0b", "null"),
    ]


def test_only_where_there_is_no_room_room_is_asked_for_and_every_reason_has_an_advice(tmp_path, monkeypatch):
    words = {errno.EACCES: "rights", errno.EROFS: "can only be read", errno.EFBIG: "that large", errno.EISDIR: "in it"}
    for number in errno.errorcode:

        def fail(folder, number=number):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(files, "_part", fail)
        with pytest.raises(ValueError) as error:
            write(tmp_path / "a", "a")
        said = str(error.value)
        assert f"a cannot be written ({os.strerror(number)}); what is there stays as it was. " in said
        assert said.endswith(".") and (("Make room" in said) == (number in (errno.ENOSPC, errno.EDQUOT))), said
        assert words.get(number, "") in said


def test_what_is_in_the_way_is_named_with_what_to_do(tmp_path):
    (tmp_path / "file").write_text("a")
    for path, advice in (
        (tmp_path, "Name a file in it."),
        (tmp_path / "file" / "a", "no folder but a file"),
        (tmp_path / ("x" * 300), "Give a shorter name."),
        (Path("/dev/full"), "Make room there"),
        (Path("/proc/nowhere/a"), "Name another path."),
    ):
        with pytest.raises(ValueError, match=advice):
            write(path, "a")


@pytest.mark.parametrize("which", range(6))
def test_what_cannot_be_written_is_said_before_the_work(tmp_path, which):
    path, words = unwritable(tmp_path)[which]
    with pytest.raises(ValueError, match=rf"cannot be written \(.*({words})"):
        writable(path)
    with pytest.raises(argparse.ArgumentTypeError, match="cannot be written"):
        out_file(str(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is write-protected for root")
def test_a_write_protected_file_is_respected(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "a").chmod(0o444)
    with pytest.raises(ValueError, match="write-protected"):
        writable(tmp_path / "a")


def test_checking_touches_nothing(tmp_path):
    (tmp_path / "a").write_text("a")
    before = (tmp_path / "a").stat()
    assert writable(tmp_path / "a") == tmp_path / "a" and out_file(str(tmp_path / "b")) == tmp_path / "b"
    assert (tmp_path / "a").stat() == before and names(tmp_path) == ["a"]
    assert out_folder(str(tmp_path / "c" / "d")).is_dir() and names(tmp_path / "c" / "d") == []
    with pytest.raises(argparse.ArgumentTypeError, match="a cannot be written"):
        out_folder(str(tmp_path / "a"))


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a disk of its own with 64 kilobytes, all but a few taken."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a disk")
    try:
        write(folder / "kept", "kept")
        with suppress(OSError), (folder / "filling").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_known_before_the_work_and_loses_nothing(full_disk):
    with pytest.raises(ValueError, match="No space left on device"):
        writable(full_disk / "new")
    with pytest.raises(ValueError, match="No space left on device"):
        write(full_disk / "kept", "x" * 9000)
    with pytest.raises(ValueError, match="No space left on device"):
        append(full_disk / "kept", 4, b"x" * 9000)
    assert (full_disk / "kept").read_text() == "kept" and names(full_disk) == ["filling", "kept"]


def test_appending_takes_the_place_of_what_is_behind_the_end(tmp_path):
    path = tmp_path / "a"
    for torn in (b"", b"ha", b"half of a line that is longer than the next one"):
        path.write_bytes(b"whole\n" + torn)
        assert append(path, 6, b"next\n") == 11 and path.read_bytes() == b"whole\nnext\n"
    with little_room(20), pytest.raises(ValueError, match="File too large"):
        append(path, 11, b"x" * 30)
    assert path.read_bytes() == b"whole\nnext\n", "nothing is torn"


def test_a_file_in_use_is_refused_until_its_process_has_ended(tmp_path):
    path = tmp_path / "a.json"
    hold = (
        f"from pathlib import Path; from elastic.files import claimed; import time\nwith claimed(Path({str(path)!r})):"
    )
    hold += " print('held', flush=True); time.sleep(600)"
    other = subprocess.Popen([sys.executable, "-c", hold], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=r"a\.json is in use by another run"), claimed(path):
            pass
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    with claimed(path), pytest.raises(ValueError, match="in use"), claimed(tmp_path / "." / "a.json"):
        pass
    with claimed(path):
        pass


def test_a_program_ends_with_a_sentence(capsys):
    with pytest.raises(SystemExit, match=r"^error: no\.$"), one_sentence():
        raise ValueError("no.")


def test_a_trace_file_is_written_whole(tmp_path):
    from elastic.record.archive import open_run, save_run

    run = open_run(ROOT / "assets" / "traces" / "lost-question.zip")
    save_run(run, tmp_path / "run.zip")
    before = (tmp_path / "run.zip").read_bytes()
    with little_room(10_000), pytest.raises(ValueError, match=r"run\.zip cannot be written"):
        save_run(run, tmp_path / "run.zip")
    assert (tmp_path / "run.zip").read_bytes() == before and names(tmp_path) == ["run.zip"]
    held = io.BytesIO()
    save_run(run, held)
    assert held.getbuffer().nbytes == len(before)

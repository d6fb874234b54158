"""Files that requests name: uploads of this server and nothing else; pictures are decoded where they can do no harm."""

import base64
import errno
import io
import os
import threading
from contextvars import ContextVar
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from PIL import Image

from page import decoding, gate, incoming
from page.decoding import PictureDecoder
from page.gate import Refused
from tests.serving import ROOT
from tests.unit.loops import run_alone

SCENE = ROOT / "assets" / "scenes" / "scene-2022.png"
HASH = "0123456789abcdef" * 4


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    """The folder of uploads, with one in it."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads" / HASH).mkdir(parents=True)
    (tmp_path / "uploads" / HASH / "mine.png").write_bytes(SCENE.read_bytes())
    (tmp_path / "secret.png").write_bytes(SCENE.read_bytes())
    return tmp_path / "uploads"


def test_an_upload_and_a_picture_that_comes_with_the_program_are_opened(uploads):
    for path in (uploads / HASH / "mine.png", SCENE):
        assert incoming.picture_of(str(path)).size == (224, 224)


OTHERS = (
    *("{}/../secret.png", "{}/HASH/../../secret.png", "{}/secret.png", "{}/HASH/x/mine.png", "{}/HASH", "mine.png"),
    *("/etc/passwd", "/dev/ptmx", "/proc/self/environ", "", "\0", "{}/HASH/mine\0.png", "{}/other/mine.png"),
    *("{}/deep_links/state.json", "x" * 2000, "app.py", str(ROOT / "app.py"), str(ROOT / "assets/scenes/../../app.py")),
    *(str(ROOT / "assets" / "page.png"), "{}/" + HASH.upper() + "/mine.png", "{}/" + "a" * 63 + "/mine.png"),
)


@pytest.mark.parametrize("path", OTHERS)
def test_no_other_path_is_looked_at(uploads, path):
    with pytest.raises(ValueError, match="no upload of this page"):
        incoming.open_upload(path.replace("HASH", HASH).format(uploads) if "{}" in path else path)


def test_what_only_looks_like_an_upload_is_none(uploads):
    elsewhere = uploads.parent / "elsewhere" / HASH / "mine.png"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_bytes(SCENE.read_bytes())
    folder = uploads / HASH
    long = f"{folder}/{'x' * (incoming.MAX_PATH - len(str(folder)))}"
    for path in (elsewhere, f"{folder}/..", f"{SCENE.parent}/..", long, None, 7, str(folder / "mine.png").encode()):
        with pytest.raises(ValueError, match="no upload of this page"):
            incoming.checked_path(path)
    assert incoming.checked_path(long[:-1]) == Path(long[:-1])


def test_a_folder_of_uploads_may_be_reached_by_a_link(uploads, monkeypatch):
    (uploads.parent / "link").symlink_to(uploads)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads.parent / "link"))
    for folder in (uploads, uploads.parent / "link"):
        assert incoming.checked_path(str(folder / HASH / "mine.png")) == uploads / HASH / "mine.png", (
            "one name for one file"
        )
    assert incoming.keep(b"x", "x.png").parent.parent == uploads


def test_no_file_stays_open_that_was_looked_at(uploads):
    os.mkfifo(uploads / HASH / "pipe.png")
    incoming.content_of(str(SCENE))
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208 (of descriptors)
    for _ in range(10):
        incoming.content_of(str(uploads / HASH / "mine.png"))
        for name in ("pipe.png", "gone.png"):
            with pytest.raises(ValueError):
                incoming.content_of(str(uploads / HASH / name))
    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208


def test_pictures_are_opened_in_threads_of_their_own_for_the_visitor_who_asked():
    visitor = ContextVar("visitor")
    visitor.set("a")
    where, whose = run_alone(incoming.aside(lambda: (threading.current_thread().name, visitor.get())))
    assert where.startswith("pictures") and whose == "a"


def test_what_an_upload_cannot_be_is_not_opened(uploads):
    folder, other = uploads / HASH, uploads / ("f" * 64)
    (folder / "link.png").symlink_to(uploads.parent / "secret.png")
    other.symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    for name in ("link.png", "pipe.png", "folder.png", f"../{other.name}/mine.png", "gone.png"):
        with pytest.raises(ValueError, match="The file is no longer on the server: uploads are deleted"):
            incoming.open_upload(os.path.normpath(folder / name))


def test_a_large_file_is_refused_before_it_is_read(uploads):
    with (uploads / HASH / "large.png").open("wb") as file:
        file.truncate(incoming.MAX_BYTES)
        assert len(incoming.content_of(file.name)) == incoming.MAX_BYTES
        file.truncate(incoming.MAX_BYTES + 1)
    with pytest.raises(ValueError, match="more than the 10 MB that are taken"):
        incoming.content_of(str(uploads / HASH / "large.png"))


def test_a_data_url_becomes_an_upload(uploads):
    inside = "base64," + base64.b64encode(SCENE.read_bytes()).decode()
    for head in ("data:image/png;", "data:;", "data:image/png;charset=utf-8;"):
        path = incoming.from_data_url(head + inside)
        assert path.parent.parent == uploads and path.read_bytes() == SCENE.read_bytes()
    assert len(list(uploads.iterdir())) == 2 and len(list(path.parent.iterdir())) == 1


def test_capitals_make_no_difference_to_a_data_url(uploads):
    inside = base64.b64encode(SCENE.read_bytes()).decode()
    for head in ("DATA:image/png;base64,", "Data:Image/PNG;BASE64,", "data:IMAGE/png;charset=UTF-8;Base64,"):
        assert incoming.from_data_url(head + inside).read_bytes() == SCENE.read_bytes()


@pytest.mark.parametrize(
    "url",
    [
        *(
            "data:",
            "data:,x",
            "data:image/png,x",
            "data:image/png;base64,",
            "data:image/png;base64,a",
            "data:;base64,é",
        ),
        *("data:text/html;base64,PGI+", "data:image/png;base64", "xdata:;base64,PGI+", "data:;base64;x,PGI+"),
        *("data:;base64,PG I+", "data:;base64,PGI+\n", "data:;base64,PG!I+", "data:;base64,PG-_", "data:;base64,===="),
    ],
)
def test_a_data_url_without_a_picture_is_refused(uploads, url):
    with pytest.raises(ValueError, match="holds no picture that can be read"):
        incoming.from_data_url(url)
    assert len(list(uploads.iterdir())) == 1, "nothing is kept of it"


def test_what_stands_between_the_letters_of_a_picture_is_not_passed_over(uploads):
    inside = base64.b64encode(SCENE.read_bytes()).decode()
    for sign in ("\n", " ", "!", "%0A"):
        with pytest.raises(ValueError, match="in one line"):
            incoming.from_data_url(f"data:image/png;base64,{inside[:76]}{sign}{inside[76:]}")


def test_a_data_url_is_taken_up_to_the_size_of_an_upload(uploads, monkeypatch):
    monkeypatch.setattr(incoming, "MAX_BYTES", 300)
    most, more = (base64.b64encode(b"x" * size).decode() for size in (300, 305))
    assert incoming.from_data_url(f"data:;base64,{most}").stat().st_size == 300
    with pytest.raises(ValueError, match="more than the 10 MB that are taken"):
        incoming.from_data_url(f"data:;base64,{more}")


def test_a_file_is_there_whole_or_not_at_all(uploads, monkeypatch):
    content, write = SCENE.read_bytes(), Path.write_bytes

    def disk_is_full(path, data):
        write(path, data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", disk_is_full)
    with pytest.raises(ValueError) as error:
        incoming.keep(content, "mine.png")
    assert str(error.value) == incoming.NO_ROOM
    monkeypatch.setattr(Path, "write_bytes", write)
    kept = incoming.keep(content, "mine.png")
    assert kept.name == "mine.png" and kept.read_bytes() == content and list(kept.parent.iterdir()) == [kept]


def test_nobody_sees_a_file_under_its_name_before_all_of_it_is_written(uploads, monkeypatch):
    seen, write = [], Path.write_bytes

    def read_meanwhile(path, data):
        seen.append([each.name for each in path.parent.iterdir()])
        write(path, data[:100])
        seen.append([each.name for each in path.parent.iterdir() if not each.name.startswith(".")])
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", read_meanwhile)
    kept = incoming.keep(b"x" * 200, "mine.png")
    assert seen == [[], []] and [each.name for each in kept.parent.iterdir()] == ["mine.png"]
    assert incoming.keep(b"x" * 200, "mine.png") == kept and len(seen) == 2, "what is there need not be written again"


def test_a_folder_of_uploads_that_is_not_there_yet_is_made(uploads, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads / "not" / "yet"))
    assert incoming.keep(b"x", "x.png").read_bytes() == b"x"


def test_the_same_name_with_another_content_is_another_file(uploads):
    one, other = incoming.keep(b"one", "same.png"), incoming.keep(b"other", "same.png")
    assert one != other and (one.read_bytes(), other.read_bytes()) == (b"one", b"other")
    assert incoming.open_upload(str(one)).read() == b"one", "and each may be named"


def test_a_picture_that_comes_with_the_program_is_looked_at_as_a_copy(uploads):
    copy = incoming.as_upload(str(SCENE))
    assert copy.parent.parent == uploads and copy.name == SCENE.name and copy.read_bytes() == SCENE.read_bytes()
    mine = uploads / HASH / "mine.png"
    assert incoming.as_upload(str(mine)) == mine


def test_a_picture_that_browsers_cannot_show_becomes_one_that_they_can(uploads):
    Image.open(SCENE).convert("CMYK").save(uploads / HASH / "scan.tif")
    shown = incoming.shown_by_browsers(str(uploads / HASH / "scan.tif"))
    assert shown.endswith("scan.png") and Image.open(shown).format == "PNG"
    for name in ("mine.png", "MINE.JPG"):
        (uploads / HASH / name).write_bytes(SCENE.read_bytes())
        assert incoming.shown_by_browsers(str(uploads / HASH / name)) == str(uploads / HASH / name)
    scan = (uploads / HASH / "scan.tif").read_bytes()
    (uploads / HASH / "renamed.png").write_bytes(scan)
    shown = incoming.shown_by_browsers(str(uploads / HASH / "renamed.png"))
    assert shown != str(uploads / HASH / "renamed.png") and Image.open(shown).format == "PNG"
    (uploads / HASH / "no.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        incoming.shown_by_browsers(str(uploads / HASH / "no.png"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF", "ICO"])
def test_a_picture_that_browsers_can_show_stays_as_it_is(uploads, kind):
    path = uploads / HASH / f"mine.{kind.lower()}"
    Image.open(SCENE).convert("RGB").save(path, kind)
    assert incoming.shown_by_browsers(str(path)) == str(path)


def test_a_name_in_a_sentence_is_short():
    assert incoming.label_of("/any/where/run.zip") == "run.zip" and incoming.label_of("x" * 60) == "x" * 60
    assert incoming.label_of("/any/where/" + "a" * 41 + "b" * 20) == "a" * 40 + "…" + "b" * 16


def test_a_component_passes_no_path_on_that_may_not_be_named(uploads):
    mine = str(uploads / HASH / "mine.png")
    with gr.Blocks():
        place = incoming.TraceFile()
    assert place.preprocess(SimpleNamespace(path=mine)) == mine and place.preprocess(None) is None
    assert place.get_block_name() == "file", "browsers know it as this"
    with pytest.raises(gr.Error, match="no upload of this page"):
        place.preprocess(SimpleNamespace(path="/etc/passwd"))


def failing(monkeypatch, place, name, number):
    """From now on the system refuses something, for that reason."""

    def fail(*values, **options):
        raise OSError(number, os.strerror(number), "/a/path/of/the/server")

    monkeypatch.setattr(place, name, fail)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(errno.ENOSPC, incoming.NO_ROOM), (errno.EDQUOT, incoming.NO_ROOM), (errno.EROFS, incoming.NOT_KEPT)],
)
def test_a_picture_that_cannot_be_kept_is_refused_for_that_reason(uploads, monkeypatch, number, sentence):
    inside = "data:;base64," + base64.b64encode(SCENE.read_bytes()).decode()
    failing(monkeypatch, Path, "write_bytes", number)
    with pytest.raises(Refused) as error:
        gate.file_value({"url": inside})
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(errno.ENOENT, incoming.DELETED), (errno.EMFILE, incoming.UNREAD), (errno.EIO, incoming.UNREAD)],
)
def test_only_a_file_that_is_gone_is_said_to_be_gone(uploads, monkeypatch, number, sentence):
    failing(monkeypatch, os, "open", number)
    with pytest.raises(ValueError) as error:
        incoming.picture_of(str(uploads / HASH / "mine.png"))
    assert str(error.value) == sentence


def test_where_no_process_can_be_started_pictures_cannot_be_read_now(monkeypatch):
    decoder = PictureDecoder(workers=1, seconds=60)
    with monkeypatch.context() as context:
        failing(context, decoding.subprocess, "Popen", errno.ENOMEM)
        for _ in range(2):
            with pytest.raises(ValueError, match="cannot be read at the moment"):
                decoder.open(SCENE.read_bytes())
    assert decoder.open(SCENE.read_bytes()).size == (224, 224)


SLOW = """
import sys, time
sys.stdin.buffer.read(8)
time.sleep(600)
"""


def test_a_picture_that_takes_too_long_is_left_behind(monkeypatch):
    decoder, start = PictureDecoder(workers=1, seconds=0.5), decoding._start

    def slow():
        import subprocess
        import sys

        return subprocess.Popen([sys.executable, "-c", SLOW], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    monkeypatch.setattr(decoding, "_start", slow)
    with pytest.raises(ValueError, match=r"takes longer to read than the 0\.5 s"):
        decoder.open(SCENE.read_bytes())
    monkeypatch.setattr(decoding, "_start", start)
    decoder.seconds = 60
    assert decoder.open(SCENE.read_bytes()).size == (224, 224)


def test_a_decoder_that_broke_is_replaced():
    decoder = PictureDecoder(workers=1, seconds=60)
    assert decoder.open(SCENE.read_bytes()).size == (224, 224)
    decoder._free.queue[0].kill()
    decoder._free.queue[0].wait()
    assert decoder.open(SCENE.read_bytes()).size == (224, 224)


def test_pictures_of_many_at_once_are_not_mixed_up():
    decoder, wrong = PictureDecoder(workers=2, seconds=120), []

    def open_one(number):
        file = io.BytesIO()
        Image.new("RGB", (10 + number, 20), (number, 0, 0)).save(file, "PNG")
        opened = decoder.open(file.getvalue())
        if opened.size != (10 + number, 20) or opened.getpixel((0, 0)) != (number, 0, 0):
            wrong.append(number)

    threads = [threading.Thread(target=open_one, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("content", [b"", b"x", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_gets_the_same_sentence_from_afar(content):
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        PictureDecoder(workers=1).open(content)

"""Zip files and numpy arrays of strangers: what they would take is known, and bounded, before anything is unpacked."""

import io
import math
import struct
import zipfile

import numpy as np

END = struct.Struct("<4s4H2LH")  # the record a zip file ends with
LOCATOR = b"PK\x06\x07"  # of a second such record, which would count for more
DIRECTORY = 200  # bytes that an entry of the directory may take
MAX_HEADER = 4096  # of an array


def open_zip(content: bytes, names: set[str]) -> zipfile.ZipFile:
    """The zip file with that content, if it holds some of those names, each once, and nothing else.

    Raises:
        ValueError: if it does not, or is packed in a way whose size is not known beforehand.
    """
    # The library takes the directory in whole, however long: its length stands in the last bytes.
    tail = content[-END.size :]
    if len(tail) < END.size or not tail.startswith(b"PK\x05\x06") or content[-END.size - 20 :].startswith(LOCATOR):
        raise ValueError("it does not end as a zip file")
    _, _, _, _, count, length, _, comment = END.unpack(tail)
    if count > len(names) or length > DIRECTORY * len(names) or comment:
        raise ValueError("it holds other parts")
    archive = zipfile.ZipFile(io.BytesIO(content))
    found = [part.filename for part in archive.infolist()]
    if len(set(found)) < len(found) or not set(found) <= names:
        raise ValueError("it holds other parts")
    for part in archive.infolist():
        # Others unpack a piece whole, however long it gets.
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or part.flag_bits & 1:
            raise ValueError("it is packed in another way")
    return archive


def sizes(archive: zipfile.ZipFile) -> dict[str, int]:
    """What each part has, at most, once it is unpacked."""
    return {part.filename: part.file_size for part in archive.infolist()}


def read_part(archive: zipfile.ZipFile, name: str) -> bytes:
    """A part, unpacked no further than the size it says it has.

    Raises:
        ValueError: if it has more, or less.
    """
    size = sizes(archive)[name]
    # Not `archive.read`, which unpacks up to two gigabytes before it looks at the size.
    with archive.open(name) as file:
        content = file.read(size)
        file.read(1)  # past the end the library compares the checksum
    if len(content) != size:
        raise ValueError("a part has another size than it says")
    return content


def array_header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype, bool, int]:
    """Shape, type, whether columns come first, and where the numbers begin, of an array that is still packed.

    Raises:
        ValueError: if the part is no array, or has another size than its shape says.
    """
    with archive.open(name) as file:
        start = io.BytesIO(file.read(MAX_HEADER))
    try:
        version = np.lib.format.read_magic(start)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, columns_first, dtype = read(start, max_header_size=MAX_HEADER)
    except (ValueError, KeyError) as error:
        raise ValueError("an array says not what it is") from error
    size = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or min(shape, default=0) < 0 or start.tell() + size != sizes(archive)[name]:
        raise ValueError("an array has another size than it says")
    return shape, dtype, columns_first, start.tell()


def read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """An array as it was saved. Its size is that of `array_header`, of numbers only: nothing in it is run.

    Raises:
        ValueError: if it is damaged.
    """
    shape, dtype, columns_first, begin = array_header(archive, name)
    values = np.frombuffer(read_part(archive, name), np.uint8)[begin:]
    # A byte of a truth value could be 7, which is neither true nor false.
    values = values != 0 if dtype == np.bool_ else values.view(dtype)
    return values.reshape(shape, order="F" if columns_first else "C")

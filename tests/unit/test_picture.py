"""Whatever is dropped on the page becomes an upright RGB picture, or a sentence."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from elastic.picture import MAX_SIDE, SENT_BYTES, SENT_TILES, is_small_jpeg, open_picture, small_jpeg, small_jpegs
from tests.serving import ROOT


@pytest.fixture
def corner():
    """Red with a blue top left corner, wider than high."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[..., 0] = 255
    pixels[:10, :10] = (0, 0, 255)
    return Image.fromarray(pixels)


def blue_corner(picture):
    r, g, b = picture.getpixel((2, 2))
    return b > 200 and r < 80 and g < 80


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "P", "L", "I;16", "1", "LA"])
def test_every_colour_mode_becomes_rgb(corner, mode, tmp_path):
    source = corner.convert("L").convert("I").convert("I;16") if mode == "I;16" else corner.convert(mode)
    path = tmp_path / ("picture.tif" if mode == "CMYK" else "picture.png")
    source.save(path)
    opened = open_picture(path)
    assert opened.mode == "RGB" and opened.size == (80, 40)
    if mode in ("RGB", "RGBA", "CMYK", "P"):
        assert blue_corner(opened)


def test_transparency_is_laid_on_white(tmp_path):
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert open_picture(tmp_path / "clear.png").getpixel((5, 5)) == (255, 255, 255)


def png(bits, kind, pixels, clear, palette=b""):
    """A PNG file of two pixels, written by hand: Pillow writes few of the ways to say what is transparent."""
    packed = "".join(f"{value:0{bits}b}" for pixel in pixels for value in pixel)
    row = int(packed.ljust(-(-len(packed) // 8) * 8, "0"), 2).to_bytes(-(-len(packed) // 8))
    size = struct.pack(">2I5B", 2, 1, bits, kind, 0, 0, 0)
    chunks = [
        (b"IHDR", size),
        (b"PLTE", palette),
        (b"tRNS", clear),
        (b"IDAT", zlib.compress(b"\0" + row)),
        (b"IEND", b""),
    ]
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        if data or name == b"IEND":
            content += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return io.BytesIO(content)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_grey_that_a_png_file_says_is_transparent_is_white(bits):
    clear = 2**bits // 4
    for other in (0, clear + 1):
        seen = np.asarray(open_picture(png(bits, 0, [(clear,), (other,)], struct.pack(">H", clear))))
        assert seen[0, 0].tolist() == [255] * 3
        assert bits == 1 or (seen[0, 1] < 200).all(), other


def test_a_transparent_value_is_no_measure_of_how_bright_the_others_are():
    for clear, most in ((None, 2**16 - 1), (2**16 - 1, 2**10 - 1)):
        file = png(16, 0, [(2**16 - 1,), (900,)], b"" if clear is None else struct.pack(">H", clear))
        first, second = np.asarray(open_picture(file))[0, :, 0].tolist()
        assert first == 255 and abs(second - 900 / most * 255) <= 1


@pytest.mark.parametrize("bits", [8, 16])
def test_the_colour_that_a_png_file_says_is_transparent_is_white(bits):
    clear, other = [tuple(value << bits - 8 for value in colour) for colour in ((10, 20, 30), (200, 100, 0))]
    seen = np.asarray(open_picture(png(bits, 2, [clear, other], struct.pack(">3H", *clear))))
    assert seen[0].tolist() == [[255, 255, 255], [200, 100, 0]]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_may_be_transparent_in_part_and_by_half(bits):
    palette = bytes([10, 20, 30, 200, 100, 0])
    for clear, first in ((b"\0", [255, 255, 255]), (b"\x80", [132, 137, 142]), (b"", [10, 20, 30])):
        seen = np.asarray(open_picture(png(bits, 3, [(0,), (1,)], clear, palette))).astype(int)
        assert np.abs(seen[0] - [first, [200, 100, 0]]).max() <= 1


def test_a_rotated_photo_is_turned_upright(corner, tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # the camera was held turned by a quarter
    corner.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    opened = open_picture(tmp_path / "turned.png")
    assert opened.size == (80, 40) and blue_corner(opened)


def test_an_animation_gives_its_first_frame(corner, tmp_path):
    corner.save(tmp_path / "moving.gif", save_all=True, append_images=[Image.new("RGB", corner.size, "green")])
    assert blue_corner(open_picture(tmp_path / "moving.gif"))


def test_large_pictures_are_reduced(tmp_path):
    Image.new("RGB", (4000, 1000)).save(tmp_path / "wide.jpg")
    assert open_picture(tmp_path / "wide.jpg").size == (MAX_SIDE, MAX_SIDE // 4)


def test_an_enormous_picture_is_refused_with_its_size(tmp_path):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    with pytest.raises(ValueError, match=r"pixels that are read|pixels, more than") as error:
        open_picture(tmp_path / "huge.png")
    assert "smaller copy" in str(error.value)


def test_a_strip_is_refused(tmp_path):
    Image.new("RGB", (3000, 1)).save(tmp_path / "strip.png")
    with pytest.raises(ValueError, match="Crop it"):
        open_picture(tmp_path / "strip.png")


@pytest.mark.parametrize("content", [b"", b"just some text", b"\x89PNG\r\n\x1a\nbroken", b"<svg/>"])
def test_what_is_no_picture_is_refused_in_one_sentence(tmp_path, content):
    (tmp_path / "note.png").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        open_picture(tmp_path / "note.png")


def test_a_cut_off_picture_is_refused(corner, tmp_path):
    Image.effect_noise((300, 300), 90).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:20_000])
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        open_picture(tmp_path / "cut.png")


def test_pictures_are_made_small_enough_to_travel():
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (900, 1200, 3), np.uint8))
    for picture in (noise, noise.crop((0, 0, 448, 448)), noise.convert("RGBA"), noise.convert("L")):
        content = small_jpeg(picture)
        assert len(content) <= SENT_BYTES
        assert Image.open(io.BytesIO(content)).format == "JPEG"


GREY = np.asarray(Image.open(ROOT / "assets" / "scenes" / "scene-2022.png").convert("L"))


def shown(picture, tmp_path, ending):
    picture.save(tmp_path / f"grey.{ending}")
    return np.asarray(open_picture(tmp_path / f"grey.{ending}").convert("L")).astype(int)


DEEP = {
    "16 bits": ((GREY.astype(np.uint16) * 257), "png"),
    "16 bits, PGM": ((GREY.astype(np.uint16) * 257), "pgm"),
    "16 bits, TIFF": ((GREY.astype(np.uint16) * 257), "tif"),
    "12 bits of 16": ((GREY.astype(np.uint16) * 16), "png"),
    "10 bits of 16": ((GREY.astype(np.uint16) * 4), "tif"),
    "31 bits": ((GREY.astype(np.int32) * 8_421_504), "tif"),
    "24 bits of 32": ((GREY.astype(np.int32) * 65_793), "tif"),
    "thousands": ((GREY.astype(np.int32) * 1000), "tif"),
    "metres": (GREY.astype(np.float32) / 25, "tif"),
    "8 bits of 32": (GREY.astype(np.int32), "tif"),
    "negative": ((GREY.astype(np.int32) * 10 - 1275), "tif"),
    "fractions": (GREY.astype(np.float32) / 255, "tif"),
    "fractions up to 255": (GREY.astype(np.float32), "tif"),
    "fractions around 0": (GREY.astype(np.float32) / 127.5 - 1, "tif"),
    "tiny fractions": (GREY.astype(np.float32) * 1e-9, "tif"),
    "enormous": (GREY.astype(np.float32) * 1e36, "tif"),
}


@pytest.mark.parametrize("kind", DEEP)
def test_deep_greys_are_shown_as_what_they_show(kind, tmp_path):
    values, ending = DEEP[kind]
    assert np.abs(shown(Image.fromarray(values), tmp_path, ending) - GREY).mean() < 3


def fits(bits, values, *cards):
    """A FITS file of greys, written by hand: the lowest row first, the highest byte of every number too."""
    lines = ["SIMPLE  =                    T", f"BITPIX  = {bits:20d}", "NAXIS   =                    2"]
    lines += [f"NAXIS1  = {values.shape[1]:20d}", f"NAXIS2  = {values.shape[0]:20d}", *cards, "END"]
    head = "".join(line.ljust(80) for line in lines)
    data = values[::-1].astype(values.dtype.newbyteorder(">")).tobytes()
    return head.ljust(-(-len(head) // 2880) * 2880).encode() + data + b"\0" * (-len(data) % 2880)


@pytest.mark.parametrize(
    ("bits", "values"),
    [
        (8, GREY),
        (16, GREY.astype(np.int16) * 128),
        (16, (GREY.astype(int) * 257 - 32_768).astype(np.int16)),
        (32, GREY.astype(np.int32) * 4096),
        (-32, GREY.astype(np.float32) / 255),
    ],
)
def test_a_picture_of_the_sky_is_no_noise(bits, values):
    seen = np.asarray(open_picture(io.BytesIO(fits(bits, values))).convert("L")).astype(int)
    assert np.abs(seen - GREY).mean() < 3


def test_numbers_that_pillow_cannot_read_are_refused_and_not_shown_as_others():
    with pytest.raises(ValueError, match="64-bit fractions"):
        open_picture(io.BytesIO(fits(-64, GREY.astype(np.float64))))


def test_whole_numbers_without_a_sign_are_bright_where_they_are_highest():
    values = GREY.astype(np.uint32) * 16_843_009
    file = io.BytesIO()
    Image.fromarray(values.view(np.int32)).save(file, "TIFF")
    signed, unsigned = (struct.pack("<HHIH", 339, 3, 1, kind) for kind in (2, 1))
    assert signed in file.getvalue()
    content = file.getvalue().replace(signed, unsigned)
    seen = np.asarray(open_picture(io.BytesIO(content)).convert("L")).astype(int)
    assert np.abs(seen - GREY).mean() < 3


@pytest.mark.parametrize(
    ("nothing", "said"),
    [(-9999, "-9999"), (-9999, "-9999.0 \0"), (-3.4028234663852886e38, None), (3.4028234663852886e38, None)],
)
def test_what_was_not_measured_makes_nothing_else_white_or_black(nothing, said, tmp_path):
    values = GREY.astype(np.float32) * 10
    values[0, :9] = nothing
    Image.fromarray(values).save(tmp_path / "map.tif", tiffinfo={42113: said} if said else {})
    seen = np.asarray(open_picture(tmp_path / "map.tif").convert("L")).astype(float)
    # As bright as without it, but for where white is.
    assert np.corrcoef(seen[1:].flat, GREY[1:].flat)[0, 1] > 0.999 and seen[1:].std() > 0.5 * GREY.std()


def test_what_a_map_says_of_nothing_may_be_no_number(tmp_path):
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "map.tif", tiffinfo={42113: "none"})
    assert np.abs(np.asarray(open_picture(tmp_path / "map.tif").convert("L")).astype(int) - GREY).mean() < 3


def test_a_narrow_range_of_deep_grey_is_spread(tmp_path):
    seen = shown(Image.fromarray(GREY.astype(np.uint16) + 30_000), tmp_path, "png")
    assert seen.min() == 0 and seen.max() == 255


def test_an_even_deep_grey_stays_what_it_is(tmp_path):
    assert set(shown(Image.fromarray(np.full((9, 9), 32_896, np.uint16)), tmp_path, "png").flat) == {128}


@pytest.mark.parametrize(("bits", "share"), [(8, 0.2), *((bits, 0.7) for bits in (8, 10, 12, 14, 15, 16, 20, 24, 31))])
def test_whole_numbers_stay_as_dark_as_they_are(bits, share, tmp_path):
    """White is what their bits can hold, not the brightest there is; which bits these are, it must use the highest."""
    values = np.rint(GREY / 255 * share * (2**bits - 1)).astype(np.uint16 if 8 < bits <= 16 else np.int32)
    seen = shown(Image.fromarray(values), tmp_path, "png" if 8 < bits <= 16 else "tif")
    assert np.abs(seen - share * GREY).max() <= 1


@pytest.mark.parametrize(("top", "share"), [(1, 0.2), (1, 0.7), (255, 0.7), (1023, 0.7), (4095, 0.7)])
def test_fractions_stay_as_dark_as_they_are(top, share, tmp_path):
    """White is 1, or what bits can hold."""
    values = (GREY / 255 * share * top).astype(np.float32)
    assert np.abs(shown(Image.fromarray(values), tmp_path, "tif") - share * GREY).max() <= 1


@pytest.mark.parametrize(("low", "high"), [(0, 0.7), (-1, 1), (-5, -3), (100, 2000)])
def test_what_is_infinite_is_as_dark_or_bright_as_the_rest_and_what_is_no_number_is_black(low, high, tmp_path):
    values = (low + (high - low) * (GREY - float(GREY.min())) / np.ptp(GREY)).astype(np.float32)
    expected = shown(Image.fromarray(values), tmp_path, "tif")
    values[0, :3] = np.nan, np.inf, -np.inf
    seen = shown(Image.fromarray(values), tmp_path, "tif")
    assert seen[0, :3].tolist() == [0, expected.max(), expected.min()]
    assert np.array_equal(seen[1:], expected[1:])


def test_where_nothing_is_a_number_all_is_black(tmp_path):
    assert set(shown(Image.fromarray(np.full((9, 9), np.nan, np.float32)), tmp_path, "tif").flat) == {0}


def test_a_tiff_whose_zero_is_white_is_not_shown_as_its_negative(tmp_path):
    Image.fromarray((255 - GREY).astype(np.uint16) * 257).save(tmp_path / "x.tif", tiffinfo={262: 0})
    assert np.abs(np.asarray(open_picture(tmp_path / "x.tif").convert("L")).astype(int) - GREY).mean() < 3


def test_texts_and_profiles_of_any_size_are_passed_over(corner, tmp_path):
    texts = PngInfo()
    texts.add_text("zipped", "x" * 3_000_000, zip=True)
    texts.add_itxt("international", "y" * 3_000_000, zip=True)
    texts.add_text("plain", "z" * 3_000_000)
    profile = b"\0" * 3_000_000
    exif = Image.Exif()
    exif[274] = 3
    corner.rotate(180).save(tmp_path / "full.png", pnginfo=texts, icc_profile=profile, exif=exif)
    corner.save(tmp_path / "full.jpg", icc_profile=profile, quality=95)
    corner.save(tmp_path / "full.webp", icc_profile=profile, lossless=True)
    corner.save(tmp_path / "full.tif", icc_profile=profile)
    for path in tmp_path.iterdir():
        assert blue_corner(open_picture(path)), path.name


def test_what_a_camera_wrote_wrongly_is_passed_over(corner, tmp_path):
    corner.save(tmp_path / "x.png", exif=b"Exif\0\0" + b"\xff" * 500)
    assert blue_corner(open_picture(tmp_path / "x.png"))


@pytest.mark.parametrize("ending", ["avif", "heic", "jp2", "bmp", "gif", "tga", "ico", "ppm", "webp"])
def test_other_formats_are_read(corner, tmp_path, ending):
    corner.resize((320, 160)).save(tmp_path / f"x.{ending}")
    r, _, b = open_picture(tmp_path / f"x.{ending}").getpixel((5, 5))
    assert b > r + 50


def test_a_photograph_of_a_phone_is_turned_upright_once_whatever_else_stands_in_it(corner, tmp_path):
    exif = Image.Exif()
    exif[274], exif[0x9286] = 6, b"x" * 60_000
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lying = corner.resize((320, 160)).rotate(90, expand=True)
    lying.save(tmp_path / "x.heic", exif=exif.tobytes(), icc_profile=profile, quality=95)
    seen = open_picture(tmp_path / "x.heic")
    assert b"irot" in (tmp_path / "x.heic").read_bytes()
    assert seen.size == (320, 160) and blue_corner(seen)


def test_lab_colours_become_rgb(corner, tmp_path):
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    ImageCms.profileToProfile(corner, *profiles, outputMode="LAB").save(tmp_path / "lab.tif")
    assert blue_corner(open_picture(tmp_path / "lab.tif"))


def test_a_file_that_would_start_another_program_is_refused(tmp_path):
    (tmp_path / "x.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        open_picture(tmp_path / "x.eps")


@pytest.mark.parametrize(
    "ending", ["png", "jpg", "tif", "webp", "gif", "bmp", "avif", "heic", "jp2", "ppm", "tga", "ico"]
)
def test_a_damaged_file_of_any_kind_is_read_or_refused_in_a_sentence(ending, tmp_path):
    whole, random = tmp_path / f"x.{ending}", np.random.default_rng(1)
    Image.effect_noise((120, 90), 90).convert("RGB").save(whole)
    content = whole.read_bytes()
    for number in range(25):
        broken = bytearray(content[: random.integers(1, len(content))] if number % 2 else content)
        for place in random.integers(0, len(broken), 8):
            broken[place] = random.integers(0, 256)
        try:
            assert open_picture(io.BytesIO(bytes(broken))).mode == "RGB"
        except ValueError as error:
            assert str(error).endswith("."), error


def test_devices_and_pipes_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path in ("/dev/zero", "/dev/ptmx", tmp_path / "pipe.png", tmp_path):
        with pytest.raises(ValueError, match="no file but a folder or a device"):
            open_picture(path)
    with pytest.raises(ValueError, match="There is no such file"):
        open_picture(tmp_path / "gone.png")


@pytest.mark.parametrize("kind", ["TIFF", "PPM"])
def test_colours_that_look_like_scans_of_a_jpeg_are_colours(kind):
    file = io.BytesIO()
    Image.new("RGB", (60, 40), "peachpuff").save(file, kind)
    assert file.getvalue().count(b"\xff\xda") > 2000
    assert open_picture(file).getpixel((30, 20)) == (255, 218, 185)


def test_a_jpeg_of_scans_without_end_is_refused_before_any_is_read():
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "JPEG", progressive=True)
    content = file.getvalue()
    assert open_picture(io.BytesIO(content)).size == (64, 64)
    scan = content.index(b"\xff\xda")
    many = content[:scan] + content[scan : scan + 14] * 500 + content[scan:]
    with pytest.raises(ValueError, match="scans"):
        open_picture(io.BytesIO(many))
    assert not is_small_jpeg(many)


@pytest.mark.parametrize("value", [300, 5000, 20_000, 30_000, 40_000])
def test_an_even_deep_grey_is_neither_black_nor_white(value):
    file = io.BytesIO()
    Image.fromarray(np.full((32, 32), value, np.uint16)).save(file, "PNG")
    file.seek(0)
    assert 20 < np.asarray(open_picture(file)).mean() < 252


@pytest.mark.parametrize("value", [0.3, 1.5, 5, 200, 300, 1e9])
def test_an_even_picture_of_fractions_is_neither_black_nor_white(value, tmp_path):
    (grey,) = set(shown(Image.fromarray(np.full((9, 9), value, np.float32)), tmp_path, "tif").flat)
    assert 20 < grey < 252


def test_an_even_picture_of_ones_is_white(tmp_path):
    assert set(shown(Image.fromarray(np.ones((9, 9), np.float32)), tmp_path, "tif").flat) == {255}


def test_neighbours_among_large_numbers_stay_apart():
    file = io.BytesIO()
    values = (10**9 + np.arange(64 * 64) % 51).reshape(64, 64).astype(np.int32)
    Image.fromarray(values).save(file, "TIFF")
    file.seek(0)
    assert len(np.unique(np.asarray(open_picture(file))[..., 0])) > 40


def test_views_share_what_travels_with_a_run_and_one_alone_is_as_it_was():
    noise = np.random.default_rng(0).integers(0, 255, (17, 512, 512, 3), np.uint8)
    together = small_jpegs(noise)
    assert len(together) == 17 and all(map(is_small_jpeg, together)) and sum(map(len, together)) <= SENT_TILES
    assert small_jpegs(noise[:1]) == [small_jpeg(Image.fromarray(noise[0]))] and small_jpegs([]) == []

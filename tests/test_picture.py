"""Whatever is dropped on the page becomes an upright RGB picture, or a sentence."""

import io

import numpy as np
import pytest
from PIL import Image

from elastic.picture import MAX_SIDE, SENT_BYTES, open_picture, small_jpeg


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

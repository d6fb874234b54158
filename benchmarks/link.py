"""What reuse costs and saves (EPIC): `python -m benchmarks.link --model smollm2 --out link.json`.

A prompt is read whole, or linked of a chunk that was read before: words that are new, the chunk, words that are new. Of
a model that sees pictures the chunk is a scene and the question stands before it; of a text model it is a passage
behind another one, and 16 tokens that go on with it stand behind. The chunk was read by itself (a picture with what the
template begins with, which stays; a passage as it is), without that beginning, or behind other words and cut out of
them. Its first k tokens are read anew.

Attention: the share that the queries of the words behind the chunk give to its first four tokens, the mean of layers,
heads and queries; what is above that of the full reading is a false sink. Answers: how many are, token for token, those
of the full reading. Both are of all prompts (`--prompts`).

Time to first token (`--time`): reading the whole prompt against linking it, alternating, with the picture encoded
before and the chunk at hand; of the model, and on a GPU of a random 7B as well. Neither collects statistics.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean

import torch
from tqdm import tqdm

from benchmarks.measure import Timing, alternate, timed
from benchmarks.models import SHAPES, llava_model, random_ids, random_prompt, wanted_dtype
from benchmarks.report import TableRow, arguments, cell, machine, parser, ratio, row, spread, table, write
from elastic.command_line import whole_number
from elastic.engine import ALL, State, Stretch, compress, decode, link, prefill
from elastic.evaluate.prose import beginnings, prose
from elastic.model import PictureReader, Reader, Reading, TextModel, load
from elastic.policies.full import Full
from elastic.reusing import asked_before
from elastic.statistics import Attention
from elastic.statistics.tokens import Queries
from scenes.questions import suggestions
from scenes.scene import random_scene, render

KS = {"k = 0": 0, "k = 1": 1, "k = 4": 4, "k = 16": 16, "k = all": ALL}
FULL = "full reading"
FIRST = 4  # tokens of a chunk that a false sink would be among
OTHER = "Tell me how many things there are."  # what a picture was asked before
BEFORE, PASSAGE, GOES_ON = 96, 160, 16  # tokens of a text
ANSWER = 24  # tokens that are compared
ITSELF, BARE, BEHIND = "read by itself", "read without a beginning", "read behind other words"


@dataclass(frozen=True)
class LinkRow:
    """A number of first tokens read anew: a share of attention from 0 to 1, and answers."""

    case: str
    contender: str
    first_share: float  # of the words' attention, on the chunk's first tokens
    equal: int  # answers that are those of the full reading
    prompts: int


@dataclass(frozen=True)
class LinkedPrompt:
    """A prompt, whole and in parts, of which the chunk was read elsewhere."""

    how: str
    whole: Reading
    before: Reading
    chunk: State | Stretch
    behind: Reading


def prompts(reader: Reader, count: int) -> Iterator[list[LinkedPrompt]]:
    """So many prompts, each with the ways in which its chunk was read."""
    make = _text if isinstance(reader, TextModel) else _scene
    return (make(reader, number) for number in range(count))


def _scene(reader: PictureReader, number: int) -> list[LinkedPrompt]:
    scene = random_scene(f"link {number}")
    picture, question = render(scene)[0], suggestions(scene, number)[0]
    whole, first = asked_before(reader, [picture], question)
    whole = reader.encode_image(whole)
    before, begun = Reading(whole.ids[:, :first]), whole.from_token(first)
    opening, patches = _lengths(begun)
    chunk, behind = begun.split(opening + patches)
    bare = begun.from_token(opening).split(patches)[0]
    without = bare.led_by(before.ids).followed_by(behind.ids)
    other = reader.encode_image(reader.first_turn(picture, OTHER, question_first=True))
    there, _ = _lengths(other)
    read = partial(prefill, reader, record_attention=False)
    return [
        LinkedPrompt(ITSELF, whole, before, read(chunk), behind),
        LinkedPrompt(BARE, without, before, read(bare), behind),
        LinkedPrompt(BEHIND, without, before, Stretch(read(other), there, there + patches), behind),
    ]


def _lengths(prompt: Reading) -> tuple[int, int]:
    """Tokens before a prompt's picture, and of it."""
    is_patch = prompt.place[:, 1] >= 0
    return int(is_patch.argmax()), int(is_patch.sum())


def _text(reader: TextModel, number: int) -> list[LinkedPrompt]:
    """A passage behind one of another book."""
    every = beginnings(number % 2)
    texts = [every[(number + step * len(every) // 3) % len(every)] for step in range(3)]
    ids = [reader.passage(prose(text)[:4000]).ids for text in texts]
    before, chunk, goes_on = ids[0][:, :BEFORE], ids[1][:, :PASSAGE], ids[1][:, PASSAGE : PASSAGE + GOES_ON]
    whole, behind = Reading(torch.cat([before, chunk, goes_on], 1), asked=GOES_ON), Reading(goes_on, asked=GOES_ON)
    read = partial(prefill, reader, record_attention=False)
    other = read(Reading(torch.cat([ids[2][:, :BEFORE], chunk], 1)))
    return [
        LinkedPrompt(ITSELF, whole, Reading(before), read(Reading(chunk)), behind),
        LinkedPrompt(BEHIND, whole, Reading(before), Stretch(other, BEFORE), behind),
    ]


def judged(state: State, first: int, words: int) -> tuple[float, list[int]]:
    """The share of attention that so many last queries give to a chunk's first tokens, and the answer."""
    received = state.cache.tables.scores[Attention(rows=Queries.LAST, n=words)][:, 0, first : first + FIRST]
    answer = [step.token for step in decode(compress(state, Full()), ANSWER)]
    return float(received.sum(-1).mean()) / words, answer


def attention(reader: Reader, count: int) -> list[LinkRow]:
    """What is looked at and answered, by how the chunk was read and how much of it is read anew."""
    shares: dict[tuple[str, str], list[float]] = {}
    equal: dict[tuple[str, str], list[bool]] = {}
    for ways in tqdm(prompts(reader, count), total=count, desc=reader.title, leave=False):
        known: dict[bytes, tuple[float, list[int]]] = {}  # of a full reading, as several ways have the same
        for way in ways:
            first, words = way.before.ids.shape[1], way.behind.ids.shape[1]
            needs = [Attention(rows=Queries.LAST, n=words)]
            name = way.whole.ids.numpy().tobytes()
            if name not in known:
                known[name] = judged(prefill(reader, way.whole, needs), first, words)
            found = {FULL: known[name]}
            for label, k in KS.items():
                found[label] = judged(link(reader, [way.before, way.chunk, way.behind], k, needs), first, words)
            for label, (share, answer) in found.items():
                shares.setdefault((way.how, label), []).append(share)
                equal.setdefault((way.how, label), []).append(answer == found[FULL][1])
    return [
        LinkRow(f"{reader.title}, chunk {how}", label, mean(each), sum(equal[how, label]), len(each))
        for (how, label), each in sorted(shares.items(), key=lambda one: [ITSELF, BARE, BEHIND].index(one[0][0]))
    ]


def random_case(shape: str, device: str, words: int = 64) -> tuple[Reader, LinkedPrompt]:
    """A random model of a true size, a picture of noise, and words before and behind it."""
    size = SHAPES[shape]
    reader = llava_model(size, shape, device)
    noise = random_prompt(reader, size, size.patches + 1 + words, 1).from_token(1)
    before = Reading(random_ids(size, words + 2, 1, device, 1)[:, 2:])
    picture = reader.encode_image(noise)
    chunk, behind = picture.split(size.patches)
    alone = prefill(reader, chunk, record_attention=False)
    return reader, LinkedPrompt(ITSELF, picture.led_by(before.ids), before, alone, behind)


def times(name: str, reader: Reader, given: LinkedPrompt, rounds: int) -> list[TableRow]:
    """Rows of reading a prompt and of linking it."""
    parts, tokens = [given.before, given.chunk, given.behind], given.whole.ids.shape[1]
    contenders: dict[str, Callable[[], Timing]] = {FULL: partial(_timed, reader, prefill, given.whole)}
    contenders |= {label: partial(_timed, reader, link, parts, k) for label, k in KS.items()}
    about = f"{name}, {tokens} tokens"
    runs = alternate(contenders, rounds, reader.device.type, about)
    return [row(about, label, some, tokens=tokens) for label, some in runs.items()]


def _timed(reader: Reader, verb: Callable[..., State], *given: object) -> Timing:
    return timed(reader.device.type, partial(verb, reader, *given, record_attention=False))


def main(given: Sequence[str] | None = None) -> None:
    """Print the tables and write the JSON."""
    options = parser(__doc__)
    options.add_argument("--model", help="hub name, folder, or smollm2; default: pocket-llava")
    options.add_argument("--prompts", type=whole_number(1), help="that are read (default: 20; quick: 2)")
    options.add_argument("--time", action="store_true", help="measure the time to the first token, too")
    args = arguments(options, given)
    reader = load(args.model, args.device, dtype=wanted_dtype())
    found = attention(reader, args.prompts or (2 if args.quick else 20))
    lines = [[one.case, one.contender, cell(one.first_share, 100), f"{one.equal} of {one.prompts}"] for one in found]
    table(["read anew", f"% on first {FIRST}", "answers alike"], lines)
    timings: list[TableRow] = []
    if args.time:
        timings += times(reader.title, reader, next(prompts(reader, 1))[0], args.rounds)
        if args.device == "cuda":
            timings += times("7B, random", *random_case("7B", args.device), args.rounds)
        lines = [
            [one.case, one.contender, *spread(one, 1e3), cell(ratio(timings, one.case, FULL, one.contender))]
            for one in timings
        ]
        table(["contender", "ms", "quartiles", "x full reading"], lines)
    write(args.out, machine(args.device), [*found, *timings])


if __name__ == "__main__":
    main()

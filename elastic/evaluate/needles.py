"""Needles: facts that stand once in a stretch of prose, and questions for them. A value is recalled or it is not.

Four kinds, each with short and long questions: five digits, ten digits, a name, and a number that stands before what it
belongs to, so that what the question names comes only after what it asks for. Even and odd seeds read different books,
and their needles and questions are worded differently, about other places and people: what was found on one kind of
seeds can be tested on the other. Seeds that lie less than 90 apart share no number, and less than 40 apart no name.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from elastic.evaluate.prose import Words, beginnings, prose

TURNS = 3  # of a conversation
KINDS = ("five digits", "ten digits", "name", "number first")
LENGTHS = ("short", "long")
SKILLS = tuple(f"{kind}, {length} question" for kind, length in product(KINDS, LENGTHS))


@dataclass(frozen=True)
class Wording:
    """How the needles of a seed are worded: a sentence by kind, a question, an answer; and about whom and what."""

    needles: dict[str, str]
    questions: dict[str, str]
    answers: dict[str, str]
    long: Sequence[str]  # a question within more words
    places: Sequence[str]
    first_names: Sequence[str]
    last_names: Sequence[str]


WORDINGS = (
    Wording(
        needles={
            "five digits": "The pass number of {place} is {value}.",
            "ten digits": "The long pass number of {place} is {value}.",
            "name": "The keeper of the pass in {place} is called {value}.",
            "number first": "{value} is the pass number of {place}.",
        },
        questions={
            "five digits": "What is the pass number of {place}?",
            "ten digits": "What is the long pass number of {place}?",
            "name": "What is the keeper of the pass in {place} called?",
            "number first": "What is the pass number of {place}?",
        },
        answers={
            "five digits": "The pass number of {place} is {value}",
            "ten digits": "The long pass number of {place} is {value}",
            "name": "The keeper of the pass in {place} is called {value}",
            "number first": "The pass number of {place} is {value}",
        },
        long=(
            "{question} It is said once in the text above, between sentences that have nothing to do with it. Read the "
            "whole text again if you need to, and answer with a single sentence that says nothing else.",
            "I have to look something up in this text and do not want to read all of it myself. So please tell me, "
            "in one short sentence and without any explanation: {question}",
        ),
        places=(
            *("Oslo", "Lima", "Cairo", "Prague", "Dublin", "Havana", "Vienna", "Athens", "Nairobi", "Warsaw"),
            *("Lisbon", "Ankara", "Bogota", "Hanoi", "Zagreb", "Quito"),
        ),
        first_names=(
            *("Martha", "Henry", "Clara", "Oscar", "Nina", "Victor", "Agnes", "Felix", "Irene", "Hugo"),
            *("Laura", "Simon", "Julia", "Peter", "Helen", "Albert"),
        ),
        last_names=(
            *("Fischer", "Carter", "Novak", "Palmer", "Keller", "Moreno", "Bishop", "Larsen", "Turner", "Weber"),
            *("Dawson", "Rossi", "Parker", "Hansen", "Cooper", "Walsh", "Barker", "Jensen", "Harper", "Quinn"),
        ),
    ),
    Wording(
        needles={
            "five digits": "Remember that the code for {place} is {value}.",
            "ten digits": "Remember that the telephone number for {place} is {value}.",
            "name": "Remember that the agent for {place} is {value}.",
            "number first": "Remember that {value} is the code for {place}.",
        },
        questions={
            "five digits": "Which code is for {place}?",
            "ten digits": "Which telephone number is for {place}?",
            "name": "Who is the agent for {place}?",
            "number first": "Which code is for {place}?",
        },
        answers={
            "five digits": "The code for {place} is {value}",
            "ten digits": "The telephone number for {place} is {value}",
            "name": "The agent for {place} is {value}",
            "number first": "The code for {place} is {value}",
        },
        long=(
            "{question} You will find it somewhere in what you have just read, where it is mentioned a single time and "
            "in passing. Please be exact, do not guess, and do not add anything beyond what was asked for.",
            "Somebody wrote a remark into this story which does not belong there, and it is the only thing that I "
            "want to know about. Answer briefly, in a full sentence, please: {question}",
        ),
        places=(
            *("Madrid", "Tokyo", "Geneva", "Boston", "Helsinki", "Naples", "Sydney", "Berlin", "Seoul", "Tunis"),
            *("Calgary", "Bergen", "Manila", "Denver", "Krakow", "Panama"),
        ),
        first_names=(
            *("Arthur", "Emma", "George", "Alice", "Walter", "Sophie", "Thomas", "Rosa", "Edward", "Ellen"),
            *("Robert", "Grace", "Samuel", "Lucy", "Daniel", "Anna"),
        ),
        last_names=(
            *("Miller", "Santos", "Gibson", "Meyer", "Collins", "Berg", "Foster", "Romano", "Hughes", "Lindgren"),
            *("Marsh", "Schultz", "Porter", "Nielsen", "Bennett", "Cole", "Murray", "Sutton", "Vogel", "Grant"),
        ),
    ),
)


@dataclass(frozen=True)
class Needle:
    """A fact in a text, and how it is asked for."""

    skill: str
    sentence: str
    question: str
    answer: str
    value: str

    def turn(self, skill: str = "") -> dict[str, object]:
        """The question as a turn, of which the value is judged and nothing is written."""
        end = len(self.answer)
        return {
            "question": self.question,
            "answer": self.answer,
            "skill": skill or self.skill,
            "is_written": False,
            "value": (end - len(self.value), end),
            "needs": self.sentence,
        }


def samples(
    seed: int,
    questions: int,
    descriptions: int,
    conversations: int,
    words: Words,
    tokens: int,
    needles: int,
) -> list[dict[str, object]]:
    """So many questions for needles in texts of about `tokens` tokens, spread evenly over the skills.

    Each text holds so many `needles`, each asked for by a sample of its own. Of `conversations`, three needles are
    asked for in a text, one after the other. Descriptions there are none.

    Raises:
        ValueError: if a text has not so many tokens, or no room for its needles.
    """
    made: list[dict[str, object]] = []
    values = _Values(seed)
    for number in range(-(-questions // needles)):
        first = number * needles
        skills = [SKILLS[(first + place) % len(SKILLS)] for place in range(needles)]
        text, found = _hidden(seed, f"text {number}", skills, words, tokens, values)
        for place, needle in enumerate(found[: questions - first]):
            name = f"text {number} needle {place}"
            made.append({"name": name, "about": f"text {number}", "text": text, "turns": [needle.turn()]})
    for number in range(conversations):
        skills = [SKILLS[(number * TURNS + place) % len(SKILLS)] for place in range(TURNS)]
        text, found = _hidden(seed, f"talk {number}", skills, words, tokens, _Values(seed, f"talk {number}"))
        turns = [needle.turn(f"turn {place}") for place, needle in enumerate(found, start=1)]
        made.append({"name": f"text conversation {number}", "text": text, "turns": turns})
    return made


class _Values:
    """Values of a seed, each once as long as there are enough."""

    def __init__(self, seed: int, about: str = "") -> None:
        self.rng = random.Random(f"values {seed} {about}")
        wording = WORDINGS[seed % 2]
        # The 90,000 numbers of five digits in 90 classes, by what is left of them over 90; the 320 names in 20.
        self.numbers = [10000 + seed % 90 + 90 * place for place in range(1000)]
        names = [f"{first} {last}" for first, last in product(wording.first_names, wording.last_names)]
        random.Random("names").shuffle(names)
        self.names = names[seed // 2 % 20 :: 20]
        self.left: dict[str, list[str]] = {}

    def next(self, kind: str) -> str:
        """A value of a kind."""
        if kind == "name":
            return self._drawn("name", self.names)
        five = self._drawn("number", [*map(str, self.numbers)])
        return five if kind != "ten digits" else five + "".join(self.rng.choices("0123456789", k=5))

    def _drawn(self, kind: str, every: list[str]) -> str:
        if not self.left.get(kind):
            self.left[kind] = self.rng.sample(every, len(every))
        return self.left[kind].pop()


def _hidden(
    seed: int, about: str, skills: Sequence[str], words: Words, tokens: int, values: _Values
) -> tuple[str, list[Needle]]:
    """A text of about so many tokens, needles included, each behind a sentence drawn at random."""
    rng = random.Random(f"needles {seed} {about}")
    wording, places = WORDINGS[seed % 2], beginnings(seed % 2)
    about_whom = rng.sample(wording.places, len(skills)) if len(skills) <= len(wording.places) else []
    found = [_needle(wording, *of_one, values, rng) for of_one in zip(skills, about_whom, strict=False)]
    room = tokens - words.count(" ".join(needle.sentence for needle in found))
    if not about_whom or room < tokens / 2:
        raise ValueError(f"{len(skills)} needles are too many for a text of {tokens} tokens: ask for fewer --needles.")
    text = words.first(prose(rng.choice(places)), room)
    sentences = re.split(r"(?<=[.!?]\s)|(?<=[.!?][\"']\s)", text)[:-1]  # the last one may be half a sentence
    if len(sentences) < len(found):
        raise ValueError(f"A text of {tokens} tokens has {len(sentences)} sentences: ask for fewer --needles.")
    at = sorted(rng.sample(range(1, len(sentences) + 1), len(found)))
    for place, needle in reversed([*zip(at, found, strict=True)]):
        sentences.insert(place, f"{needle.sentence} ")
    return "".join(sentences).strip(), found


def _needle(wording: Wording, skill: str, place: str, values: _Values, rng: random.Random) -> Needle:
    kind, length = skill.split(", ")
    value = values.next(kind)
    question = wording.questions[kind].format(place=place)
    if length.startswith("long"):
        question = rng.choice(wording.long).format(question=question)
    return Needle(
        skill,
        wording.needles[kind].format(place=place, value=value),
        question,
        wording.answers[kind].format(place=place, value=value),
        value,
    )

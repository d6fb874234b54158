"""How people type: no capitals, no marks, contractions, slips of the finger, a word of politeness.

Words that matter are held between two marks, so that they can be found again in the text that comes out.
"""

import random
import re

OPEN, CLOSE = "\x01", "\x02"
WORD = re.compile(r"[A-Za-z]{4,}")
ASKING = re.compile(
    r"(what|where|which|who|how|is|are|do|does|did|can|could|would|will|has|have|in which|in what|on what|at which|at what|"
    r"on which|with which|to which|any|whereabouts|of all|isn't|might)\b"
)
CONTRACTIONS = (
    *(("what is ", "what's "), ("what is ", "whats "), ("where is ", "where's "), ("where is ", "wheres ")),
    *(("who is ", "who's "), ("does not", "doesn't"), ("do not", "don't"), ("i am ", "i'm "), ("cannot", "can't")),
    *(("i would ", "i'd "), ("is not", "isn't"), ("it is", "it's"), ("that is", "that's"), ("there is", "there's")),
    *((" you ", " u "), ("are you", "r u"), ("please", "pls"), ("what are ", "what're "), ("i have ", "i've ")),
    *(("going to", "gonna"), ("want to", "wanna"), ("tell me", "tell me"), (" and ", " & "), ("picture", "pic")),
)
BEFORE = (
    *(
        "please ",
        "please, ",
        "hey, ",
        "ok, ",
        "okay ",
        "so ",
        "so, ",
        "now ",
        "well, ",
        "hi, ",
        "hello, ",
        "um, ",
        "and ",
    ),
    *("just ", "quick question: ", "excuse me, ", "one more question: ", "tell me, ", "please tell me: ", "sorry, "),
    *(
        "now tell me, ",
        "hmm, ",
        "good, ",
        "great, ",
        "thanks. ",
        "then ",
        "next: ",
        "question: ",
        "alright, ",
        "also, ",
    ),
)
AFTER = (
    " please",
    ", please",
    " thanks",
    ", thanks",
    " for me",
    ", my friend",
    " now",
    " exactly",
    " again",
    " then",
    " do you know",
)
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
BESIDE = {
    key: "".join(row[at] for at in (place - 1, place + 1) if 0 <= at < len(row))
    for row in KEYS
    for place, key in enumerate(row)
}


def marked(text: str) -> str:
    """The text between two marks, by which `typed` finds it again."""
    return f"{OPEN}{text}{CLOSE}"


def neat(text: str) -> str:
    """With a capital and a last mark, as in a book."""
    first = re.search(r"[a-zA-Z0-9]", text)
    text = text[: first.start()] + text[first.start()].upper() + text[first.start() + 1 :] if first else text
    return text + ("?" if ASKING.match(_plain(text).lower()) else ".")


def messy(text: str, rng: random.Random) -> str:
    """As people type it: each habit now and then."""
    if rng.random() < 0.3:
        for whole, short in rng.sample(CONTRACTIONS, len(CONTRACTIONS)):
            if rng.random() < 0.6:
                text = text.replace(whole, short)
    if rng.random() < 0.14:
        text = rng.choice(BEFORE) + text
    if rng.random() < 0.07:
        text += rng.choice(AFTER)
    is_question = bool(ASKING.match(_plain(text)))
    if rng.random() < 0.12:
        text = _slip(text, rng)
    habit = rng.random()
    if habit < 0.5:
        first = re.search(r"[a-z]", text)
        text = text[: first.start()] + text[first.start()].upper() + text[first.start() + 1 :] if first else text
    elif habit > 0.98:
        text = text.upper()
    mark = "?" if is_question else "."
    mark = rng.choices((mark, "", mark * 2, "!", " " + mark, "...", "?"), (55, 34, 2, 2, 2, 1, 4))[0]
    return text + mark


def _slip(text: str, rng: random.Random) -> str:
    """One longer word mistyped: two letters changed places, one missing, doubled, or the key beside it."""
    words = list(WORD.finditer(text))
    if not words:
        return text
    word = rng.choice(words)
    at = rng.randrange(word.start() + 1, word.end() - 1)
    how = rng.randrange(4)
    if how == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if how == 1:
        return text[:at] + text[at + 1 :]
    if how == 2:
        return text[:at] + text[at] + text[at:]
    return text[:at] + rng.choice(BESIDE.get(text[at].lower(), "e")) + text[at + 1 :]


def _plain(text: str) -> str:
    return text.replace(OPEN, "").replace(CLOSE, "")


def unmarked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without marks, and where, from and to, each marked word stands in it."""
    spans, plain, start = [], "", 0
    for letter in text:
        if letter == OPEN:
            start = len(plain)
        elif letter == CLOSE:
            spans.append((start, len(plain)))
        else:
            plain += letter
    return plain, spans

"""Passages: prose, and what follows it. Nobody asks; a cache is judged by how it goes on from what was read."""

from elastic.evaluate.prose import Words, beginnings, prose

EACH = 12  # passages of a seed before those of the next one begin


def samples(
    seed: int, questions: int, descriptions: int, conversations: int, words: Words, tokens: int, follow: int
) -> list[dict[str, object]]:
    """So many (`questions`) passages of about `tokens` tokens, and the `follow` tokens or so behind each.

    Seeds of the same parity share no passage while each asks for 12 at most and there are that many; then they begin
    again. Passages of more than about 850 tokens overlap.

    Raises:
        ValueError: if a text has not so many tokens.
    """
    places = beginnings(seed % 2)
    made: list[dict[str, object]] = []
    for number in range(questions):
        work, at = beginning = places[(seed // 2 * EACH + number) % len(places)]
        text = prose(beginning)
        passage = words.first(text, tokens)
        after = words.first(text[len(passage) :], follow)
        turn = {"question": "", "answer": after, "skill": "passage", "is_written": False}
        made.append({"name": f"passage {number} {work} {at}", "text": passage, "turns": [turn], "is_exact": False})
    return made

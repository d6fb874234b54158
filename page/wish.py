"""What a visitor may want of an answer that goes on."""

from enum import StrEnum


class Wish(StrEnum):
    """What somebody wants instead of the rest of an answer: to see what there is of it, nothing, or another run."""

    STOP = "stop"
    ANEW = "anew"
    ASIDE = "aside"

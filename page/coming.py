"""A question on its way to its answers, as it stands in the transcript meanwhile."""

from dataclasses import replace

from elastic.options import options_of, read_policy, title_of
from elastic.record.said import Coming, SaidSide
from page.asking import AskedQuestion, front_before
from page.conversing import Conversation
from page.job import Progress


def coming_of(asked: AskedQuestion, conversation: Conversation | None, kept: int) -> Coming | None:
    """A question behind the first `kept` turns of a conversation; None of one that is asked beside an answer.

    Raises:
        ValueError: if a side's policy cannot be made.
    """
    if asked.erased:
        return None
    policies = [read_policy(side) for side in asked.sides]
    keeps = [policy.keep if options_of(type(policy))["keep"].is_free else 1.0 for policy in policies]
    sides = [
        SaidSide("", "running", title_of(policy), keep, keep < 1, reads_part=policy.keep_is_read)
        for policy, keep in zip(policies, keeps, strict=True)
    ]
    if (front := front_before(asked.front, asked.share, policies[-1])) is not None:
        sides[-1] = replace(sides[-1], title=title_of(policies[-1], front), keep=asked.share, is_compressed=True)
    after = conversation.said[kept - 1].run if conversation is not None and kept else ""
    return Coming(asked.question.strip(), after, sides)


def at(coming: Coming | None, progress: Progress) -> Coming | None:
    """The same question, and how it goes with it now."""
    return None if coming is None else replace(coming, line=progress.line, time=progress.time)

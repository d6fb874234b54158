"""A question that is under way, as its visitor sees it: from its beginning, and again after he was away."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import gradio as gr

from elastic.record.messages import Message
from page.endings import explain, parted
from page.incoming import FileGone
from page.job import JobRefused, Progress, Steps, Unheard
from page.line import Line
from page.pending import Pending
from page.visitor import Visitor
from page.waiting import STARTING
from page.wish import Wish

GRACE = 60.0  # seconds for which an answer goes on while the visitor who may come back for it is away


class Following:
    """Tells visitors of their questions: whatever becomes of one, the last that its visitor sees of it is a sentence.

    `broke_off` is what a visitor should read of a run that failed.
    """

    def __init__(self, line: Line, broke_off: Callable[[str, Exception, str], gr.Error]) -> None:
        self.line, self.broke_off = line, broke_off

    async def told(
        self,
        visitor: Visitor,
        pending: Pending,
        asked: Awaitable[Steps] | None = None,
        word: Progress = STARTING,
    ) -> AsyncIterator[Message | None]:
        """What is seen of a question until it is over; `asked` is what is to be done for it, with a first word on that.

        Without these it is under way already.
        """
        latest = pending.latest
        try:
            if asked is not None:
                steps = await asked
                yield latest.told(word)
                pending.job = self.line.join(
                    visitor.name, steps, lambda: "a question of another visitor", kind="question"
                )
                pending.job.grace = GRACE if visitor.visit and visitor.visit.key else 0.0
                visitor.pending = pending
                if visitor.wish:  # stopped before there was anything to stop
                    pending.wish = visitor.wish
                    self.line.stop(visitor.name)
            async with aclosing(self.line.follow(pending.job)) as values:
                async for value in values:
                    yield latest.told(value) if isinstance(value, Progress) else value
        except JobRefused as error:
            wish = pending.wish if pending.job else visitor.wish
            if wish is Wish.STOP:
                _give_back(visitor, pending)
                yield latest.ended(latest.stopped)
            elif wish is Wish.ANEW:
                yield None  # whatever of it came after the view was emptied
            elif isinstance(error, Unheard) and pending.job and pending.job.grace:
                _give_back(visitor, pending)
                yield latest.ended(parted(latest.run))
            elif wish is None:
                _give_back(visitor, pending)
                yield latest.ended(str(error))
                raise gr.Error(str(error), title="The run was ended", print_exception=False) from error
        except FileGone as error:
            visitor.lacks_picture = pending.question
            gr.Warning(str(error), title="The picture is asked for again")
            yield latest.ended(str(error))
        except ValueError as error:
            _give_back(visitor, pending)
            yield latest.ended(str(error))
            raise gr.Error(str(error), title="Please check", print_exception=False) from error
        except Exception as error:
            failure = self.broke_off(visitor.name, error, "The run broke off")
            _give_back(visitor, pending)
            yield latest.ended(explain(error))
            raise failure from error
        finally:
            # Else it goes on, and whoever follows it next takes it away in the end. What is said of the visitor may be
            # of his next question already.
            is_over = pending.job is None or pending.job.over or pending.job.left
            if is_over and visitor.pending is (pending if pending.job else None):
                visitor.under_way = visitor.wish = visitor.pending = None


def _give_back(visitor: Visitor, pending: Pending) -> None:
    """Have a question that came to nothing stand in its box again, where there is still somebody to read it."""
    if visitor.visit is not None:
        visitor.unanswered = pending.unanswered

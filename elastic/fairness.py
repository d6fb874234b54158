"""Who is compared at a budget: the one rule, for the report, the terminal, its advice and the page.

A method that was asked to keep a share of the cache may hold that share of what the full cache holds *at the same
moment*, and a quarter more, at both moments that memory is needed for: after the prompt, and at the peak of the
answer. What counts is measured bytes, padding included, not the budget that a method says it keeps to.

Where a cache is compressed before its question is known, the question's own words come on top, whole, for every method
and for the full cache: they are taken off both before the share at the peak is judged.

Why both moments. Methods of a constant or a proportional budget are right at the peak if they are after the prompt.
Those that keep every new token by definition (SnapKV, PyramidKV, LOOK-M...) hold `keep T + N` of `T + N` tokens when
an answer of N is written: exactly their share after the prompt, and more with every token. Only the peak shows it.
Others, which protect what they think is needed, begin with too much, and a long answer may hide that.

Why a quarter. With it an answer that adds to the cache is a fair one up to `keep / (4 - 5 keep)` of the prompt: a third
of it at keep 0.5, a fifteenth at 0.2, a 35th at 0.1, where that is a sentence and never a description. It also leaves
room for slots, which are whole. And it is harmless: from a fifth of the cache to a tenth most methods lose 6 to 17
points of exact answers (`benchmarks/RESULTS.md`), so that a quarter more memory is worth three or four, about what 500
questions can tell apart.
"""

ALLOWED = 1.25  # times the share that was asked for
ROUNDING = 1e-9  # 1.25 x 0.09 is a little less than 0.1125, as decimal fractions are not exact


def exceeds(keep: float, share: float) -> bool:
    """Whether a share of what the full cache holds is more than a method may hold that was asked to keep `keep`."""
    return share > ALLOWED * keep + ROUNDING


def beyond_share(keep: float, after_prompt: float | None, at_peak: float | None) -> str:
    """What a method holds beyond its share, as in "holds 24.8% at the peak, asked for 15%"; empty where it is fair.

    Args:
        keep: the share of the cache it was asked to keep.
        after_prompt: bytes over the full cache's after the prompt; None where they were not measured.
        at_peak: most bytes during the answer over the full cache's most.
    """
    held = {"after the prompt": after_prompt, "at the peak": at_peak}
    known = {moment: share for moment, share in held.items() if share is not None}
    moment = max(known, key=known.__getitem__, default=None)
    if moment is None or not exceeds(keep, known[moment]):
        return ""
    return f"holds {known[moment]:.1%} {moment}, asked for {100 * keep:.3g}%"


def beyond_read(keep: float, share: float) -> str:
    """What a word reads beyond its share, of a method that holds everything and was asked to read `keep` of it.

    It is said in per cent of the full cache, and is empty where it is fair. `share` is of the bytes that the full cache
    holds at that moment, the index that is read included.
    """
    if not exceeds(keep, share):
        return ""
    return f"reads {share:.1%} at a word, its index included, asked for {100 * keep:.3g}%"

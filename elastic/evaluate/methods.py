"""Which methods at which budgets: from the words of a command line to policies."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from elastic.cache.kernels import check_kernels
from elastic.fronts import FRONTS, Front, front_of
from elastic.options import name_of, options_of, read_choice, read_option, read_share, write_choice
from elastic.policies import POLICIES, Policy
from elastic.policies.full import Full
from elastic.policies.picture import WORDS_NOT_PROTECTED, for_text

ABOUT_OPTIONS = (
    "Write a policy's options as elastic:protect_text=false;distance=10, or a budget of its own as think:keep=0.6. "
    f"Before a policy, or alone, may stand a front: {', '.join(FRONTS)}."
)


BITS = "bits"  # the option of methods whose numbers can be stored in fewer

VariantKey = tuple[str, float]  # label, and the budget: a share of the cache, or a whole number of tokens above 1


@dataclass(frozen=True)
class Variant:
    """A method at a budget, by the name that it has in all results.

    Where a `front` stands before it, that leaves picture tokens out before anything is read; with the full cache behind
    it, it is the front's share that counts.

    A budget in `tokens` is what the method is asked to hold of a prompt, whatever its length: of one of T tokens it
    keeps the share tokens / T, or all of it. While an answer is written it holds more by the method's own rule of
    growth, which knows of shares alone.
    """

    label: str
    policy: Policy
    tokens: int | None = None
    front: Front | None = None

    @property
    def keep(self) -> float:
        return min(self.policy.keep, self.front.keep if self.front else 1.0)

    @property
    def key(self) -> VariantKey:
        return self.label, self.tokens or self.keep

    @property
    def batches(self) -> bool:
        """Whether several prompts can be read together: of a front, each record knows what it did to one."""
        return self.policy.batches and self.front is None

    def at(self, seen: int) -> Policy:
        """The policy for a cache that has seen so many tokens.

        Raises:
            ValueError: if the method cannot keep so small a share of it.
        """
        if self.tokens is None:
            return self.policy
        least = options_of(type(self.policy))["keep"].low or 0.0
        keep = min(1.0, self.tokens / seen)
        if keep < least:
            raise ValueError(
                f"{self.label} keeps {least:.0%} or more, and {self.tokens} tokens are {keep:.1%} of "
                f"{seen:,}: give it --keep-tokens {math.ceil(least * seen - 1e-9)} or more, or leave such samples out."
            )
        return replace(self.policy, keep=keep)


FULL = Variant("full", Full())


def budget_of(record: Mapping[str, Any]) -> float:
    """The budget of a line or a row: a share of the cache, or a whole number of tokens above 1."""
    budget: float = record.get("budget") or record["keep"]
    return budget


def keeps(text: str) -> list[float]:
    """Budgets from `1.0,0.5`.

    Raises:
        ValueError: if one is no share that a method may keep.
    """
    least = options_of(Policy)["keep"].low or 0.0
    try:
        return list(dict.fromkeys(read_share(part, least) for part in text.split(",")))
    except ValueError as error:
        raise ValueError(f"--keep: {error}") from error


def token_budgets(text: str) -> list[int]:
    """Budgets from `64,128`.

    Raises:
        ValueError: if one is no whole number of tokens above 1.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"\d{1,9}", part, re.ASCII) and int(part) > 1 for part in parts):
        shown = repr(text[:40])
        raise ValueError(f"--keep-tokens: {shown} are no numbers of tokens. Give whole numbers above 1, as 64,128.")
    return list(dict.fromkeys(map(int, parts)))


def methods(text: str) -> dict[str, dict[str, Any]]:
    """Per label, such as `elastic:distance=10`, the options it sets; `all` is every policy, `@FILE` what a file lists.

    A front is written before a policy, as in `visionzip+snapkv`, or alone.

    Raises:
        ValueError: if there is no such policy, option or file, or a value is not legal.
    """
    asked = [label for part in map(str.strip, text.split(",")) if part for label in _listed(part)]
    labels = [name for part in asked for name in (POLICIES if part == "all" else (part,))]
    if not labels:
        raise ValueError(f"--policies names no policy. Choose from: {', '.join([*POLICIES, *FRONTS])}.")
    try:
        return {label: _read(label)[2] for label in labels}
    except ValueError as error:
        raise ValueError(f"{error} {ABOUT_OPTIONS}") from error


def _read(label: str) -> tuple[str, type[Policy], dict[str, Any]]:
    """The front that a label names, empty where there is none, the policy behind it and the options that it sets.

    Raises:
        ValueError: if there is no such front, policy or option, or a value is not legal.
    """
    front, plus, policy = label.rpartition("+")
    if label in FRONTS:
        return label, Full, {}
    if plus and front not in FRONTS:
        raise ValueError(
            f"There is no front {front[:40]!r}, which would come first, as in visionzip+snapkv. Choose from: "
            f"{', '.join(FRONTS)}."
        )
    if policy.partition(":")[0] in FRONTS:
        raise ValueError(f"{policy[:40]!r} is no policy: a front has no options, and stands alone or before one.")
    return front, *read_choice(policy)


def in_bits(chosen: dict[str, dict[str, Any]], bits: str) -> dict[str, dict[str, Any]]:
    """Every method, and each that can be stored in fewer bits once more for every number of them in `8,4,2`.

    One whose label says its bits already, and one that cannot, stays as it is.

    Raises:
        ValueError: if that is no number of bits, or none of the methods can be stored in fewer.
    """
    found, widths = {}, [part.strip() for part in bits.split(",")]
    for label, options in chosen.items():
        found[label] = options
        front, kind, _ = _read(label)
        if BITS not in options_of(kind) or BITS in options:
            continue
        for width in widths:
            with_bits = options | {BITS: read_option(kind, BITS, width)}
            if with_bits[BITS] != options_of(kind)[BITS].default:
                found[f"{front}+" * bool(front) + write_choice(name_of(kind), with_bits)] = with_bits
    if all(BITS not in options_of(_read(label)[1]) for label in chosen):
        can = ", ".join(name for name, kind in POLICIES.items() if BITS in options_of(kind))
        raise ValueError(f"--bits: none of these methods can be stored in fewer bits. These can: {can}.")
    return found


def _listed(part: str) -> list[str]:
    """A method, or of `@FILE` those in its lines; a line that begins with # says something about them."""
    if not part.startswith("@"):
        return [part]
    try:
        lines = Path(part[1:]).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"--policies: {part[1:]} cannot be read ({error}). Give a text with a method a line."
        ) from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def variants(
    chosen: dict[str, dict[str, Any]], budgets: Iterable[float], tokens: Iterable[int] = ()
) -> tuple[tuple[Variant, ...], dict[str, str]]:
    """Every method at every budget it can hold, `full` first and once; and why the others were left out."""
    found, left_out = {FULL.key: FULL}, {}
    for label, options in chosen.items():
        front, kind, _ = _read(label)
        if front:
            for keep in budgets if "keep" not in options else [options["keep"]]:
                try:
                    variant = _with_front(label, front, kind, options, keep)
                except ValueError as error:
                    left_out[f"{label} at {keep:g}"] = str(error)
                    continue
                found.setdefault(variant.key, variant)
            if tokens:
                left_out[label] = "A front leaves a share of a prompt, not a number of tokens: give --keep."
            continue
        of_keep = options_of(kind)["keep"]
        only = options.get("keep") if of_keep.is_free else of_keep.default
        for keep in budgets if only is None else [only]:
            try:
                variant = Variant(label, kind(**{**options, "keep": keep}))
            except ValueError as error:
                left_out[f"{label} at {keep:g}"] = str(error)
                continue
            found.setdefault(variant.key, variant)
        for count in tokens if only is None else ():
            if (of_keep.low or 0.0) > (options_of(Policy)["keep"].low or 0.0):
                left_out[f"{label} at {count} tokens"] = (
                    f"It cannot hold less than {of_keep.low:g} of what was read: give it a share by --keep."
                )
                continue
            variant = Variant(label, kind(**options), count)
            found.setdefault(variant.key, variant)
    return tuple(found.values()), left_out


def _with_front(label: str, front: str, kind: type[Policy], options: Mapping[str, Any], keep: float) -> Variant:
    is_alone = kind is Full
    policy = kind(**options) if is_alone else kind(**{**options, "keep": keep})
    return Variant(label, policy, front=front_of(front, keep, is_alone))


def adapted_to_text(found: Iterable[Variant]) -> dict[str, str]:
    """By label what methods do otherwise where there is no picture."""
    return {each.label: WORDS_NOT_PROTECTED for each in found if for_text(each.policy) != each.policy}


Fitting = tuple[tuple[Variant, ...], dict[str, str]]  # those that can be judged, and why the others were left out


def without_picture(found: tuple[Variant, ...], left_out: dict[str, str]) -> Fitting:
    """Those that mean something for a text, and why the others were left out."""

    def check(variant: Variant) -> None:
        for_text(variant.policy)
        if variant.front is not None:
            raise ValueError(f"{variant.front.title} leaves tokens of a picture out, and a text has none.")

    return _fitting(found, left_out, check)


def without_kernels(found: tuple[Variant, ...], left_out: dict[str, str]) -> Fitting:
    """Those that a model needs no kernels for, and why the others were left out."""
    return _fitting(found, left_out, lambda variant: check_kernels(variant.policy, None))


def _fitting(found: tuple[Variant, ...], left_out: dict[str, str], check: Callable[[Variant], object]) -> Fitting:
    """Those that pass a check, which says in a ValueError why others do not."""
    fit, why = [], dict(left_out)
    for variant in found:
        try:
            check(variant)
        except ValueError as error:
            why[variant.label] = str(error)
        else:
            fit.append(variant)
    return tuple(fit), why

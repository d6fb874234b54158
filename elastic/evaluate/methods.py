"""Which methods at which budgets: from the words of a command line to policies."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elastic.options import options_of, read_choice, read_share
from elastic.policies import POLICIES, Policy
from elastic.policies.full import Full

ABOUT_OPTIONS = (
    "Write a policy's options as elastic:protect_text=false;distance=10, or a budget of its own as think:keep=0.6."
)


@dataclass(frozen=True)
class Variant:
    """A method at a budget, by the name that it has in all results."""

    label: str
    policy: Policy

    @property
    def keep(self) -> float:
        return self.policy.keep

    @property
    def key(self) -> tuple[str, float]:
        return self.label, self.policy.keep


FULL = Variant("full", Full())


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


def methods(text: str) -> dict[str, dict[str, Any]]:
    """Per label, such as `elastic:distance=10`, the options it sets; `all` is every policy, `@FILE` what a file lists.

    Raises:
        ValueError: if there is no such policy, option or file, or a value is not legal.
    """
    asked = [label for part in map(str.strip, text.split(",")) if part for label in _listed(part)]
    labels = [name for part in asked for name in (POLICIES if part == "all" else (part,))]
    if not labels:
        raise ValueError(f"--policies names no policy. Choose from: {', '.join(POLICIES)}.")
    try:
        return {label: read_choice(label)[1] for label in labels}
    except ValueError as error:
        raise ValueError(f"{error} {ABOUT_OPTIONS}") from error


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


def variants(chosen: dict[str, dict[str, Any]], budgets: Iterable[float]) -> tuple[tuple[Variant, ...], dict[str, str]]:
    """Every method at every budget it can hold, `full` first and once; and why the others were left out."""
    found, left_out = {FULL.key: FULL}, {}
    for label, options in chosen.items():
        kind, _ = read_choice(label)
        of_keep = options_of(kind)["keep"]
        only = options.get("keep") if of_keep.is_free else of_keep.default
        for keep in budgets if only is None else [only]:
            try:
                variant = Variant(label, kind(**{**options, "keep": keep}))
            except ValueError as error:
                left_out[f"{label} at {keep:g}"] = str(error)
                continue
            found.setdefault(variant.key, variant)
    return tuple(found.values()), left_out

"""Which methods at which budgets: from the words of a command line to policies."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

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
        ValueError: if one is no number above 0 and up to 1.
    """
    found = []
    for part in text.split(","):
        try:
            found.append(float(part))
        except ValueError:
            found.append(0.0)
        if not 0 < found[-1] <= 1:
            raise ValueError(
                f"--keep has {part.strip()!r}: each is the share of the cache that is kept, above 0 and up to 1."
            )
    return list(dict.fromkeys(found))


def methods(text: str) -> dict[str, dict[str, object]]:
    """Per label, such as `elastic:distance=10`, the options it sets; `all` is every policy.

    Raises:
        ValueError: if there is no such policy or option, or a value is not legal.
    """
    found = {}
    asked = filter(None, map(str.strip, text.split(",")))
    for label in (name for part in asked for name in (POLICIES if part == "all" else (part,))):
        name, _, options = label.partition(":")
        if name not in POLICIES:
            raise ValueError(f"There is no policy named {name!r}. Choose from: {', '.join(POLICIES)}.")
        found[label] = dict(_option(name, part) for part in options.split(";") if part.strip())
        try:
            POLICIES[name](**found[label])
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    if not found:
        raise ValueError(f"--policies names no policy. Choose from: {', '.join(POLICIES)}.")
    return found


def variants(
    chosen: dict[str, dict[str, object]], budgets: Iterable[float]
) -> tuple[tuple[Variant, ...], dict[str, str]]:
    """Every method at every budget it can hold, `full` first and once; and why the others were left out."""
    found, left_out = {FULL.key: FULL}, {}
    for label, options in chosen.items():
        kind = POLICIES[label.partition(":")[0]]
        of_keep = next(field for field in fields(kind) if field.name == "keep").metadata
        only = of_keep["low"] if of_keep["low"] == of_keep["high"] else options.get("keep")
        for keep in budgets if only is None else [only]:
            try:
                variant = Variant(label, kind(**options | {"keep": keep}))
            except ValueError as error:
                left_out[f"{label} at {keep:g}"] = str(error)
                continue
            found.setdefault(variant.key, variant)
    return tuple(found.values()), left_out


def _option(name: str, text: str) -> tuple[str, object]:
    """One `field=value` of a policy, the value in the field's own type."""
    key, _, value = (part.strip() for part in text.partition("="))
    legal = {field.name: field for field in fields(POLICIES[name])}
    if key not in legal:
        has = f"has the options {', '.join(legal)}" if legal else "has none"
        raise ValueError(f"{name} has no option {key!r}: it {has}. {ABOUT_OPTIONS}")
    field = legal[key]
    try:
        if isinstance(field.default, bool):
            return key, {"true": True, "false": False}[value.lower()]
        return key, type(field.default)(value)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{name}: {key} must be {_range(field.default, field.metadata)}, got {value!r}.") from error


def _range(default: object, about: dict) -> str:
    if isinstance(default, bool):
        return "true or false"
    number = "a whole number" if isinstance(default, int) else "a number"
    return number if about["low"] is None else f"{number} between {about['low']:g} and {about['high']:g}"

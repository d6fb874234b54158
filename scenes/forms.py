"""Reads the grammar of `forms.toml`: how people word what they ask, and what they say beside it."""

import random
import re
import tomllib
from math import prod
from pathlib import Path

_READ = tomllib.loads((Path(__file__).parent / "forms.toml").read_text(encoding="utf-8"))
Forms = dict[str, tuple[str, ...]]  # by skill


def _forms(table: dict[str, list[str]]) -> Forms:
    return {skill: tuple(forms) for skill, forms in table.items()}


RULES: dict[str, str] = _READ["rules"]
LATER, OPENING, HELD_OUT = _forms(_READ["ask"]), _forms(_READ["opening"]), _forms(_READ["held_out"])
# Any form can word a first question; those of LATER mean the same behind others.
FORMS: Forms = {skill: forms + OPENING.get(skill, ()) for skill, forms in LATER.items()}
PRONOUN_FORMS, SAME_FORMS = _forms(_READ["pronoun"]), _forms(_READ["same"])
LEADS_TO: dict[str, Forms] = {skill: _forms(table) for skill, table in _READ["leads"].items()}
ASIDE_FORMS = _forms(_READ["aside"])
NOUNS: tuple[str, ...] = tuple(_READ["unknown"]["nouns"].split())

INNERMOST = re.compile(r"\[([^\[\]]*)\]")
RULE = re.compile(r"<(\w+)>")


def _without_rules(form: str) -> str:
    while RULE.search(form):
        form = RULE.sub(lambda found: f"[{RULES[found[1]]}]", form)
    return form


def expand(form: str, rng: random.Random) -> str:
    """One wording of a form, its words in braces left as they are."""
    form = _without_rules(form)
    while INNERMOST.search(form):
        form = INNERMOST.sub(lambda found: rng.choice(found[1].split("|")), form)
    return re.sub(r" +", " ", form).strip()


def wordings(form: str) -> int:
    """How many ways there are to expand a form, its words in braces not counted; equal ones count twice."""
    form, count = _without_rules(form), {}
    while found := INNERMOST.search(form):
        key = f"#{len(count)}#"
        count[key] = sum(prod(count[k] for k in re.findall(r"#\d+#", part)) for part in found[1].split("|"))
        form = form[: found.start()] + key + form[found.end() :]
    return prod(count[key] for key in re.findall(r"#\d+#", form))


def pattern(form: str) -> re.Pattern[str]:
    """A regular expression that every wording of a form matches, its words in braces as they are."""
    form = re.escape(_without_rules(form)).replace(r"\[", "(?:").replace(r"\]", ")").replace(r"\|", "|")
    return re.compile(form.replace(r"\ ", " *"))

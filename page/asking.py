"""What is asked, as one value of plain JSON: by the buttons, by a link and by a row of the Compare tab."""

import json
import time
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, ValidationError

from elastic.fronts import FRONTS, Front, front_of
from elastic.options import options_of, percent, read_policy
from elastic.policies import POLICIES
from elastic.policies.base import Policy
from elastic.policies.full import Full
from elastic.record.reuse import CHOICES
from page import incoming
from page.gate import MAX_TEXT, Refused, RequestPart, in_few_words
from page.scripted import Scripted

MOST_TOKENS, HOTTEST = 512, 2  # of an answer
MOST_TOKENS_ERASED = 32_000  # of a prompt: as many as a record may have
MOST_PICTURES, MOST_PICTURE_TOKENS = 8, 16_384  # of a conversation, and of each picture
OFF = "off"
ANY_FRONT = (OFF, *FRONTS)
PATH = Annotated[str, Field(max_length=incoming.MAX_PATH)]
TOKEN = Annotated[int, Field(ge=0, lt=MOST_TOKENS_ERASED)]
SIDE = Annotated[str, Field(max_length=1000)]  # the text of a policy, see `elastic.options`


class SidePolicies(RequestPart):
    """The policies of both sides, as texts."""

    needed: ClassVar[dict[str, str]] = {"sides": "Sides: the texts of two policies"}

    sides: Annotated[list[SIDE], Field(min_length=2, max_length=2)]

    @classmethod
    def read(cls, text: object) -> Self:
        """The value in a text of JSON.

        Raises:
            Refused: if it is none; says which part of it, and what that must be.
        """
        try:
            return cls.model_validate_json(text if isinstance(text, str) else "")
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_context=False)[0]
            needed = cls.needed.get(str(wrong["loc"][0])) if wrong["loc"] else None
            if needed is None or wrong["type"] == "missing":
                raise Refused("What is asked cannot be read. Reload the page and ask again.") from error
            raise Refused(
                f"{needed} is needed, not {in_few_words(wrong['input'])}. Change it and send it again."
            ) from error


class AskedQuestion(SidePolicies):
    """A question to both sides; pictures are paths of uploads, `number` is another one whenever it is asked."""

    needed: ClassVar[dict[str, str]] = SidePolicies.needed | {
        "picture": "Picture: an upload",
        "further": f"Further pictures: a list of at most {MOST_PICTURES - 1} uploads",
        "question": f"Question for both sides: a text of at most {MAX_TEXT:,} characters",
        "tokens": f"Longest answer (tokens): a whole number from 1 to {MOST_TOKENS}",
        "temperature": f"Temperature (0 is greedy): a number from 0 to {HOTTEST}",
        "seed": "Seed: a whole number",
        "picture_tokens": f"Tokens of a picture, at most: a whole number from 1 to {MOST_PICTURE_TOKENS:,}, or 0",
        "erased": f"Erased tokens: a list of at most {MOST_TOKENS_ERASED:,} whole numbers",
        "again": "The turn that is asked again: the name of its run",
        "before_question": "Compress before the question: true or false",
        "reuse": f"Reuse the picture: one of {', '.join(CHOICES)}",
        "front": f"Fewer picture tokens: one of {', '.join(ANY_FRONT)}",
        "share": "Cache kept: a share above 0 and at most 1",
    }

    picture: PATH | None
    # Behind the first, in this order.
    further: Annotated[list[PATH], Field(max_length=MOST_PICTURES - 1)] = Field(default_factory=list)
    question: Annotated[str, Field(max_length=MAX_TEXT)]
    tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] = 128
    temperature: Annotated[float, Field(ge=0, le=HOTTEST)] = 0.0
    seed: Annotated[int, Field(ge=-(10**15), le=10**15)] = 0
    picture_tokens: Annotated[int, Field(ge=0, le=MOST_PICTURE_TOKENS)] = 0  # at most; 0 where the model decides
    # The name of a turn's run, where it is to be asked again, or something in its place: later turns are left.
    again: Annotated[str, Field(max_length=64)] = ""
    # Tokens of that turn's prompt, by their numbers: then it is asked beside, without them, and no turn is left.
    erased: Annotated[list[TOKEN], Field(max_length=MOST_TOKENS_ERASED)] = Field(default_factory=list)
    before_question: bool = False  # whether caches are compressed before it is read
    # Of a picture that side B takes over as it was read before, the first tokens that it reads anew; off: it reads all.
    reuse: Literal[tuple(CHOICES)] = "off"
    # What leaves tokens of pictures out before side B reads, and the share that is kept, which B's policy may not say.
    front: Literal[ANY_FRONT] = OFF
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    number: float = Field(default_factory=time.time)

    @property
    def pictures(self) -> tuple[str, ...]:
        """The paths of all pictures, in their order."""
        return () if self.picture is None else (self.picture, *self.further)


class Typed(Scripted):
    """A value of one type, without looks. Its event `given` comes with every new value, whoever wrote it."""

    def __init__(self, kind: type[SidePolicies], **kwargs: object) -> None:
        self.kind = kind
        script = "const give = () => { if (props.value) trigger('given'); };\nwatch('value', give);\ngive();"
        super().__init__("typed-style", "<span></span>", "", script, visible="hidden", **kwargs)

    def checked(self, value: object) -> str | None:
        """The value that a request says it has, of nothing but what was asked for; a picture is an upload from here on.

        Raises:
            Refused: if it has none, or one of another type.
        """
        read = self.kind.read(value)
        if isinstance(read, AskedQuestion) and read.picture is not None:
            try:
                first, *further = [str(incoming.as_upload(path)) for path in read.pictures]
                read = read.model_copy(update={"picture": first, "further": further})
            except ValueError as error:
                raise Refused(str(error)) from error
        return read.model_dump_json()

    def preprocess(self, payload: str | None) -> SidePolicies:
        return self.kind.model_validate_json(self.checked(payload))

    def postprocess(self, value: SidePolicies | None) -> str | None:
        return None if value is None else value.model_dump_json()


def reused(choice: str) -> int | None:
    """How many first tokens of a reused picture a choice has read anew; None where it is not reused.

    Raises:
        ValueError: if there is no such choice.
    """
    if choice not in CHOICES:
        raise ValueError(f"There is no reuse of {choice[:20]!r}. Send one of {', '.join(CHOICES)}.")
    return CHOICES[choice]


def front_before(name: str, share: float, policy: Policy) -> Front | None:
    """What stands before a side with that policy, so that both together keep a share; None where nothing does.

    Raises:
        ValueError: if there is no such front.
    """
    return None if name == OFF else front_of(name, share, is_alone=isinstance(policy, Full))


# What the inputs say as texts of two policies: of each, what is not its default.
SIDES = """const usual = @usual@;
  const sides = [[a, settings_a], [b, settings_b]].map(([policy, settings]) => {
    const kept = keep !== null && policy in usual && keep !== usual[policy] ? { keep } : {};
    const chosen = Object.entries({ ...kept, ...JSON.parse(settings || '{}').options?.[policy] });
    return chosen.length ? policy + ':' + chosen.map(([option, value]) => option + '=' + value).join(';') : policy;
  });"""
ASK = """(picture, pictures, picture_tokens, question, tokens, temperature, seed, percent, before_question, reuse,
  front, a, b, settings_a, settings_b) => {
  const keep = percent / 100;
  @sides@
  const whole = Math.round(seed ?? 0);
  const [first, ...further] = JSON.parse(pictures || '[]');
  const typed = String(picture_tokens ?? '').replaceAll(',', '').trim() || '0';
  // What is no number is sent as it is, to be refused in words.
  const most = /^\\d+$/.test(typed) ? Number(typed) : typed;
  const shown = { picture: first ?? picture?.path ?? null, further, picture_tokens: most };
  const asked = { ...shown, question: question ?? '', tokens, temperature, seed: whole, sides };
  const of_picture = { reuse: reuse || 'off', front: front || 'off', share: keep };
  const value = { ...asked, ...of_picture, before_question: Boolean(before_question), number: Date.now() };
  @send@
}"""
# What was typed is sent and leaves its box, which is given it back where it is refused, or where it has not come. Who
# asks with an empty box has changed what is kept, or a method, and means the last question; the view says which it is.
SEND = """const last = document.querySelector('#view .trace-view')?.dataset.last;
  if (last && value.picture && !value.question.trim()) {
    const { run, question: said } = JSON.parse(last);
    Object.assign(value, { again: run, question: said });
  }
  document.dispatchEvent(new CustomEvent('elastic-asked', { detail: JSON.stringify(value) }));
  return [JSON.stringify(value), '', value.again ? '' : value.question];"""
# The view says which turn it is about. Without a temperature another seed would change nothing.
SEND_AGAIN = """const view = document.querySelector('#view .trace-view');
  const { run, question: other, draw, erased } = JSON.parse(view.dataset.again);
  Object.assign(value, { again: run, question: other, erased: erased ?? [] });
  if (draw) Object.assign(value, { temperature: temperature || @warm@, seed: Date.now() % 100000 });
  if (!erased) document.dispatchEvent(new CustomEvent('elastic-asked', { detail: JSON.stringify(value) }));
  return [JSON.stringify(value)];"""
# The tab keeps what is typed, and what is asked until it has come, see `assets/web/tab`.
KEEP = "document.dispatchEvent(new CustomEvent('elastic-typed', { detail: JSON.stringify(value) }));"
WARM = 0.7  # the temperature of another draw where none is chosen
GIVE_BACK = """(typed, asked) => {
  const { again, question } = JSON.parse(asked);
  return [again ? typed : typed || question];
}"""
# On a phone the view stands below the inputs: whoever asks wants to see the answers. Turns bring themselves into sight.
SHOW_ANSWERS = """() => {
  const view = document.querySelector('#tabs');
  const { top, bottom } = view.getBoundingClientRect();
  if (bottom < 100 || top > window.innerHeight * 0.8) view.scrollIntoView();
}"""
TELL_SIDES = """(a, b, settings_a, settings_b) => {
  const keep = null;
  @sides@
  return [JSON.stringify({ sides })];
}"""


def policy_of(side: str) -> Policy:
    """The policy that a side's text describes.

    Raises:
        ValueError: if there is none; where only its share is at fault, in the words of the page's slider.
    """
    try:
        return read_policy(side)
    except ValueError as error:
        if not str(error).startswith("keep must be between"):
            raise
        policy = POLICIES[side.partition(":")[0]]
        least = percent(options_of(policy)["keep"].low)
        raise ValueError(
            f"{policy.title} keeps {least} % of the cache at least. Set Cache kept to {least} or more, and ask again."
        ) from error


def scripts() -> tuple[str, str, str, str]:
    """What makes an `AskedQuestion`, one from a turn on, the `SidePolicies` of the inputs, and what keeps them, in the
    browser.

    The inputs are, of a question, picture, several pictures, tokens of each, text, longest answer, temperature, seed,
    percent kept, whether to compress before it, what is reused and what leaves tokens out; of `SidePolicies`, which
    keep their defaults, none of these; then both policies, and what is chosen of each side's, see `SideSettings`.
    """
    keeps = {name: options_of(policy)["keep"] for name, policy in POLICIES.items()}
    usual = {name: option.default for name, option in keeps.items() if option.is_free}
    sides = SIDES.replace("@usual@", json.dumps(usual))
    ask = ASK.replace("@sides@", sides)
    again = ask.replace("@send@", SEND_AGAIN.replace("@warm@", str(WARM)))
    return ask.replace("@send@", SEND), again, TELL_SIDES.replace("@sides@", sides), ask.replace("@send@", KEEP)

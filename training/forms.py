"""How people word what they ask: a grammar per intent, and other forms that training never sees.

`[a|b]` is a choice, `<thing>` another rule, `{name}` a word that the scene gives. Forms are written in lower case
and without a last mark; `training/typing.py` makes them look typed. A form that begins with "how", "what" and the like
is a question, any other a request.
"""

import random
import re
from math import prod

RULES: dict[str, str] = {
    "pic": "image|picture|photo|pic|scene",
    "a_pic": "the <pic>|this <pic>|the <pic>|it",
    "here": "||| in the <pic>| in this <pic>| here| in it| there",
    "things": "objects|things|items|objects|things|emojis|pieces of stuff",
    "thing": "object|thing|item|emoji|object|thing",
    "see": "can you see|do you see|can i see|do we see|can be seen|do you spot",
    "tell": "tell me|say|please tell me|can you tell me|could you tell me|can you say|do you know|i want to know|"
    "i would like to know|let me know|would you tell me",
    "all": "|all |all the |the |every one of the ",
    "any": "|any |some ",
    "color": "color|colour",
    "big": "big|large",
    "found": "located|found|placed|standing|sitting|hidden|",
    "spot": "place|part|corner|position|spot|area",
}

FORMS: dict[str, tuple[str, ...]] = {
    "describe": (
        "describe <a_pic>[| in detail| for me| please| to me]",
        "what [can|do] you see[| in <a_pic>]",
        "what [can|do] [i|we] see [here|in <a_pic>]",
        "tell me [everything|all|more|something] about <a_pic>",
        "[give|write|make] [me |]a [detailed |full |short |]description[| of <a_pic>]",
        "please describe [the scene|what you see|everything|<a_pic>]",
        "what is [in|on|inside] <a_pic>",
        "what does <a_pic> [show|contain|have]",
        "what is [shown|there|visible|to be seen]<here>",
        "describe [everything|what you see|what is there|what is shown]",
        "[list|name|mention] [everything|all <things>|all the <things>|all that you see]<here>",
        "[what|which] <things> [are|can you see|do you see]<here>",
        "tell me what [you see|is in <a_pic>|<a_pic> shows]",
        "[description|description please|describe|details|everything]",
        "what else [is there|can you see|do you see]<here>",
        "explain [<a_pic>|what you see]",
    ),
    "what_at": (
        "what is {place}<here>",
        "what <see> {place}<here>",
        "[which|what] <thing> is {place}<here>",
        "what is there {place}",
        "<tell> what is {place}<here>",
        "look {place}[. what is there|, what is there| and tell me what is there| what do you see]",
        "what <thing> <see> {place}<here>",
        "{place}[|, what is there|, what do you see| what is it]",
        "[is there|do you see|is] [something|anything] {place}<here>",
        "what [stands|sits|lies|is found|is located|is placed|is shown|is drawn] {place}",
        "what [do we have|have we got|have you got] {place}",
        "the <thing> {place}[ is what| is| please|]",
        "[show|give|name] me what is {place}",
        "who is {place}",
    ),
    "where": (
        "where is the {name}<here>",
        "where [can|could|do|would] [i|you|we] [find|see|spot] the {name}<here>",
        "[in|at] [which|what] <spot> is the {name}<here>",
        "<tell> where the {name} is<here>",
        "where in the <pic> is the {name}",
        "[can you|could you|please|] [find|locate|point to|point out|search for|look for] the {name}[| for me|<here>]",
        "where [are|is] the {names}<here>",
        "[position|place|location] of the {name}",
        "[what|which] is the [position|place|location|spot] of the {name}",
        "where [did you see|have you seen|has somebody put] the {name}",
        "where is [a {name}|this {name}|that {name}|my {name}|{name}] <found><here>",
        "{name}[|, where is it| where| location| position]",
        "[i am looking for|i cannot find|help me find|show me] the {name}",
        "whereabouts is the {name}",
        "which <spot> [has|holds] the {name}",
    ),
    "count_object": (
        "how many {names} are there<here>",
        "how many {names} <see><here>",
        "count <all>{names}<here>[| please| for me]",
        "how many {names} are [in|on] <a_pic>",
        "what is the [number|count|amount] of {names}<here>",
        "<tell> how many {names} [there are|you see|you can see]<here>",
        "how many {names}<here>",
        "number of {names}<here>",
        "{names}[, how many| count| in total|, count them]",
        "how many {names} does <a_pic> [show|have|contain]",
        "is there [only|just|more than] one {name}<here>",
        "is there one {name} or more",
        "[how often|how many times] [do|can] you see [a|the] {name}",
        "how many {names} have you [found|got|counted]",
    ),
    "count_category": (
        "how many {kinds} are there<here>",
        "how many {kinds} <see><here>",
        "count <all>{kinds}<here>[| please| for me]",
        "how many {kinds} are [in|on] <a_pic>",
        "what is the [number|count|amount] of {kinds}<here>",
        "<tell> how many {kinds} [there are|you see|you can see]<here>",
        "how many {kinds}<here>",
        "number of {kinds}<here>",
        "{kinds}[, how many| count| in total|, count them]",
        "how many {kinds} does <a_pic> [show|have|contain]",
        "how many of [the|these|those] <things> are {kinds}",
        "how many {kinds} have you [found|got|counted]",
    ),
    "count_all": (
        "how many <things> are there<here>[| in total| altogether| in all]",
        "how many <things> <see><here>",
        "count <all><things><here>[| please| for me]",
        "how many <things> are [in|on] <a_pic>",
        "what is the [number|count|total|amount] of <things><here>",
        "<tell> how many <things> [there are|you see|you can see]<here>",
        "how many [<things>|of them|are there|things in total]",
        "number of <things><here>",
        "how many <things> does <a_pic> [show|have|contain]",
        "[count|count them|count everything|count it all|total]",
        "how much [stuff|is] [is there|in it|in <a_pic>|there]",
    ),
    "list_category": (
        "[which|what] {kinds} are [there|in <a_pic>|here|shown]",
        "[which|what] {kinds} <see><here>",
        "[list|name|show me|mention|give me|enumerate] <all>{kinds}<here>[| please]",
        "<tell> [which|what] {kinds} [are in <a_pic>|there are|you see]",
        "[which|what] {kinds}<here>",
        "{kinds}[| please|<here>]",
        "[which|what] of [the|these] <things> are {kinds}",
        "what [kind|kinds|sort|sorts|type|types] of {kinds} [are there|do you see|can you see|is there]<here>",
        "[which|what] {kind} [is there|is in <a_pic>|do you see|is it|is here|is shown]",
        "what are the {kinds}<here>",
    ),
    "any_category": (
        "[are there|do you see|can you see|have you got] any {kinds}<here>",
        "is there [any|some] {kind}<here>",
        "is there {a_kind}<here>",
        "any {kinds}<here>",
        "does <a_pic> [show|have|contain] [any |]{kinds}",
        "[can|do] you see {a_kind}<here>",
        "are {kinds} [shown|visible|there|in <a_pic>]",
        "<tell> if there are any {kinds}<here>",
    ),
    "is_there": (
        "is there {a_name}<here>",
        "[can|do|could] you [see|find|spot] {a_name}<here>",
        "does <a_pic> [show|have|contain|include] {a_name}",
        "is {a_name} [in <a_pic>|there|here|shown|visible|anywhere]",
        "[are there|do you see|can you see] any {names}<here>",
        "any {names}<here>",
        "<tell> [if|whether] there is {a_name}<here>",
        "there is {a_name}<here>[, right|, is it true|, correct|, yes or no]",
        "[i see|i can see|i think i see] {a_name}[, right|, do you|, you too]",
        "is the {name} [there|here|in <a_pic>|shown]",
        "has <a_pic> [got |]{a_name}",
    ),
    "background": (
        "what <color> is the background<here>",
        "[which|what] <color> does the background have",
        "what is the background <color><here>",
        "<tell> the <color> of the background",
        "what is the <color> of the background",
        "[name|give me|say] the [<color> of the background|background <color>]",
        "background[| <color>| please]",
        "<color>[| of the background| please]",
        "what <color> is [behind|around] the <things>",
        "what is [behind|under] the <things>",
        "[on|in front of] [which|what] <color> are the <things>",
        "what <color> is <a_pic>",
        "[which|what] <color> is it in the back",
        "what [is|does] the background [like|look like]",
        "is the background {color_word}",
    ),
    "size": (
        "is the {name} [small or large|large or small|big or small|small or big|little or big]",
        "how [<big>|small|tall] is the {name}<here>",
        "[what|which] size [is|has|does] the {name}[| have]",
        "<tell> [the size of the {name}|how <big> the {name} is|if the {name} is <big>]",
        "does the {name} look [small or large|<big>|small]",
        "is the {name} [<big>|small|tiny|little|huge]",
        "size of the {name}",
        "{name} size",
        "is [it|that] a [<big>|small] {name}",
        "the {name}, is it [small or large|<big>|small]",
        "is the {name} a [<big>|small|large or a small] one",
    ),
    "kind": (
        "what [kind|type|sort] of [thing|object|emoji] is the {name}",
        "is the {name} {a_kind}",
        "what is a {name}",
        "[which|what] [category|group|class] does the {name} belong to",
        "[which|what] [category|group|class] is the {name} [in|]",
    ),
    "relation": (
        "what is {direction} the {name}<here>",
        "[which|what] <thing> is {direction} the {name}",
        "what <see> {direction} the {name}<here>",
        "<tell> what is {direction} the {name}",
        "what is there {direction} the {name}",
        "look {direction} the {name}[. what is there|, what is there| and tell me what is there]",
        "[is there|do you see|is] [something|anything] {direction} the {name}",
        "{direction} the {name}[| is what|, what is there]",
        "what [stands|sits|lies|is found|is located] {direction} the {name}",
        "what do we have {direction} the {name}",
    ),
    "next_to": (
        "what is [next to|near|beside|close to|around|by|right next to|surrounding] the {name}<here>",
        "[which|what] <things> are [next to|near|beside|close to|around] the {name}",
        "what are the [neighbours|neighbors] of the {name}",
        "[is there|do you see|is] [something|anything] [next to|near|beside|close to|around] the {name}",
        "<tell> what is [next to|near|beside|close to|around] the {name}",
        "what does the {name} [stand|sit] next to",
        "next to the {name}",
    ),
    "is_at": (
        "is the {name} {place}<here>",
        "is there {a_name} {place}",
        "is the <thing> {place} {a_name}",
        "[can|do] you see {a_name} {place}",
        "<tell> if the {name} is {place}",
        "the {name} is {place}[, right|, correct|, is it true|, yes or no]",
        "is that {a_name} {place}",
    ),
    "is_relation": (
        "is the {name} {direction} the {other}<here>",
        "is there {a_name} {direction} the {other}",
        "<tell> [if|whether] the {name} is {direction} the {other}",
        "the {name} is {direction} the {other}[, right|, correct|, is it true|, yes or no]",
        "does the {name} [stand|sit|lie] {direction} the {other}",
    ),
    "more": (
        "are there more {names} than {others}<here>",
        "do you see more {names} than {others}<here>",
        "are there more {names} or [more |]{others}<here>",
        "[which|what] [are there|do you see] more of, {names} or {others}",
        "more {names} than {others}",
        "<tell> if there are more {names} than {others}",
        "are there [as many|fewer|less] {names} [as|than] {others}",
    ),
    "biggest": (
        "[which|what] is the [biggest|largest] <thing><here>",
        "[which|what] [one|thing|<thing>] is [the biggest|the largest|biggest|largest]<here>",
        "[biggest|largest] <thing>",
        "what <things> are <big><here>",
        "[list|name] the <big> <things>",
        "<tell> [which|what] is the [biggest|largest] <thing>",
    ),
    "smallest": (
        "[which|what] is the [smallest|tiniest|littlest] <thing><here>",
        "[which|what] [one|thing|<thing>] is [the smallest|smallest|the tiniest]<here>",
        "[smallest|tiniest] <thing>",
        "what <things> are [small|little]<here>",
        "[list|name] the small <things>",
        "<tell> [which|what] is the smallest <thing>",
    ),
    "only": (
        "[which|what] is the only {kind}<here>",
        "what [single|one] {kind} is there<here>",
        "is there [only|just] one {kind}<here>",
        "[name|tell me|give me] the only {kind}",
        "the only {kind}",
    ),
    "odd": (
        "[which|what] [one |]is the odd one[| out]<here>",
        "[which|what] [one|<thing>] [does not fit|does not belong|is different|is different from the rest]<here>",
        "find the odd one[| out]",
        "odd one out",
        "which of [the|these] <things> [does not belong|is not like the others]",
    ),
    "number": (
        "what is the number<here>",
        "[what|which] number [is|can you see|do you see|is shown|is written|stands] [there|here|in <a_pic>|]",
        "[read|tell me|say|give me|spell] the [number|digits|plate|sign|code]<here>[| please| to me]",
        "[what|which] digits [are there|do you see|are shown|can you see]<here>",
        "what does the [plate|sign|number] [say|read|show]",
        "number[| please|<here>]",
        "<tell> [what the number is|which number you see|the number]",
        "can you read the [number|digits|plate|sign]<here>",
        "what is [written|the code|the number plate]<here>",
        "which number is it",
    ),
    "number_at": (
        "[what|which] number [is|stands|is written|do you see|can you see] {place}",
        "what is the number {place}",
        "read the [number|digits] {place}",
        "<tell> the number {place}",
    ),
    "number_where": (
        "where is the [number|plate]<here>",
        "<tell> where the number is",
        "where [can i find|do you see] the [number|digits]",
        "in which <spot> is the number",
        "find the [number|digits]",
    ),
    "number_there": (
        "is there a number<here>",
        "[can|do] you see [a number|any number|any digits|digits]<here>",
        "does <a_pic> [show|have|contain] a number",
        "any [numbers|digits|number]<here>",
    ),
    "digit": (
        "what is the {ordinal} digit[| of the number]<here>",
        "[which|what] digit is {ordinal}",
        "{ordinal} digit",
        "[which|what] digit does the number {begin}",
    ),
}

HELD_OUT: dict[str, tuple[str, ...]] = {
    "describe": (
        "[would|will] you describe <a_pic> in detail",
        "walk me through <a_pic>",
        "what are we looking at[| here]",
        "talk about what <a_pic> shows",
    ),
    "what_at": (
        "name the <thing> {place}",
        "i wonder what is {place}",
        "which of the <things> [stands|is] {place}",
        "{place} there is what <thing>",
    ),
    "where": (
        "please say where [i|one] can find the {name}",
        "where does <a_pic> show the {name}",
        "the {name} is where",
        "where exactly is the {name}",
    ),
    "count_object": (
        "what number of {names} do you see<here>",
        "please give me the {names} count",
        "so how many {names} would you say there are",
    ),
    "count_category": (
        "what number of {kinds} do you see<here>",
        "please give me the {kinds} count",
        "so how many {kinds} would you say there are",
    ),
    "count_all": (
        "what number of <things> do you see<here>",
        "please give me the count of all <things>",
        "so how many <things> would you say there are",
    ),
    "list_category": (
        "please go through all the {kinds}",
        "of {kinds}, which can you see<here>",
        "i want the names of the {kinds}",
    ),
    "any_category": ("would you say there are any {kinds}<here>", "are any of the <things> {kinds}"),
    "is_there": (
        "would you say there is {a_name}<here>",
        "is {a_name} among the <things>",
        "did they put {a_name} in <a_pic>",
    ),
    "background": (
        "the background has which <color>",
        "in what <color> is the background [painted|drawn]",
        "i wonder what <color> the background is",
    ),
    "size": (
        "please say if the {name} is small or large",
        "would you call the {name} [<big>|small]",
        "the {name} has what size",
    ),
    "kind": ("to which kind of things does the {name} belong", "the {name} is what kind of thing"),
    "relation": (
        "name the <thing> {direction} the {name}",
        "which of the <things> is {direction} the {name}",
        "i wonder what is {direction} the {name}",
    ),
    "next_to": ("name what is next to the {name}", "which of the <things> are near the {name}"),
    "is_at": ("would you say the {name} is {place}", "could it be that the {name} is {place}"),
    "is_relation": (
        "would you say the {name} is {direction} the {other}",
        "could the {name} be {direction} the {other}",
    ),
    "more": ("would you say there are more {names} than {others}", "does it have more {names} than {others}"),
    "biggest": ("of all <things>, which is the largest", "name the biggest of them"),
    "smallest": ("of all <things>, which is the smallest", "name the smallest of them"),
    "only": ("of {kinds} there is only which one", "say which {kind} is the only one"),
    "odd": ("one of these is not like the others, which", "name the one that does not fit"),
    "number": ("please read out the number", "what number did they write<here>", "the number is what"),
    "number_at": ("the number {place} is what", "name the number {place}"),
    "number_where": ("the number is where", "where exactly is the number"),
    "number_there": ("would you say there is a number<here>", "did they write a number<here>"),
    "digit": ("name the {ordinal} digit", "the {ordinal} digit is what"),
}

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

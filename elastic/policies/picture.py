"""What becomes of a method where there is no picture: it goes on and says how, or is refused with a sentence."""

from dataclasses import replace

from torch import Tensor

from elastic.policies.base import PATCH, Policy

PROTECTING = ("protect_text", "all_text")  # options of methods that keep every word
WORDS_NOT_PROTECTED = "There is no picture to spend the budget on, so words are not protected."


def fitting(policy: Policy, kinds: Tensor) -> Policy:
    """The policy for sequences whose tokens are of those kinds (B, seen): as it is, if each has a picture.

    Raises:
        ValueError: if one has none, and the method means nothing without.
    """
    return policy if (kinds == PATCH).any(1).all() else for_text(policy)


def for_text(policy: Policy) -> Policy:
    """The policy for prompts without a picture.

    Words, which are all there is, are not protected, or everything would be kept whatever the budget; both ends of the
    prompt stay protected where they were.

    Raises:
        ValueError: if the method means nothing without a picture.
    """
    if policy.needs_image:
        raise ValueError(
            f"{policy.title} goes by how words look at a picture, and this prompt has no picture: "
            "take another method for text."
        )
    protecting = {name: False for name in PROTECTING if getattr(policy, name, False)}
    return replace(policy, **protecting) if protecting else policy

"""Any policy with any legal settings, for properties that hold of all of them."""

from hypothesis import strategies as st

from elastic.options import Option, options_of
from elastic.policies import POLICIES


def values(option: Option, least: float) -> st.SearchStrategy:
    """Any legal value of an option; `least` is the smallest share of the cache."""
    if option.kind is bool:
        return st.booleans()
    if option.choices:
        return st.sampled_from(option.choices)
    if option.kind is int:
        return st.integers(option.low, option.high)
    low = max(option.low, least) if option.name == "keep" else option.low
    return st.floats(low, option.high)


def policies(least: float = 0.0) -> st.SearchStrategy:
    """Any policy that keeps `least` or more."""
    return st.one_of(
        st.builds(policy, **{name: values(option, least) for name, option in options_of(policy).items()})
        for policy in POLICIES.values()
    )

"""Every method by its name: add a file beside this one and a line here."""

from elastic.policies.base import Choice, LayerView, Policy
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full

POLICIES: dict[str, type[Policy]] = {
    "full": Full,
    "elastic": Elastic,
}

__all__ = ["POLICIES", "Choice", "LayerView", "Policy"]

"""Every method by its name: add a file beside this one and a line here."""

from elastic.policies.base import Choice, Eviction, LayerView, Policy
from elastic.policies.elastic import Elastic
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.elastic_released import ElasticReleased
from elastic.policies.full import Full

POLICIES: dict[str, type[Policy]] = {
    "full": Full,
    "elastic": Elastic,
    "elastic-plus": ElasticPlus,
    "elastic-released": ElasticReleased,
}

__all__ = ["POLICIES", "Choice", "Eviction", "LayerView", "Policy"]

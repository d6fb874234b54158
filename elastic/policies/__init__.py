"""Every method by its name: add a file beside this one and a line here."""

from elastic.policies.adakv import AdaKV
from elastic.policies.base import Choice, Eviction, LayerView, Policy
from elastic.policies.cam import CaM
from elastic.policies.cascading import Cascading
from elastic.policies.combine import Combine
from elastic.policies.corm import CORM
from elastic.policies.elastic import Elastic
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.elastic_released import ElasticReleased
from elastic.policies.expected_attention import ExpectedAttention
from elastic.policies.fp8 import FP8
from elastic.policies.full import Full
from elastic.policies.h2o import H2O
from elastic.policies.keydiff import KeyDiff
from elastic.policies.kivi import KIVI
from elastic.policies.knorm import KNorm
from elastic.policies.kvzip import KVzip
from elastic.policies.less import LESS
from elastic.policies.lookm import LookM
from elastic.policies.mergingpress import MergingPress
from elastic.policies.method import Method, Recipe
from elastic.policies.mixkv import MixKV
from elastic.policies.pqcache import PQCache
from elastic.policies.prefixkv import PrefixKV
from elastic.policies.pyramidkv import PyramidKV
from elastic.policies.quest import Quest
from elastic.policies.random import Random
from elastic.policies.snapkv import SnapKV
from elastic.policies.sparsemm import SparseMM
from elastic.policies.streaming import Streaming
from elastic.policies.subgen import SubGen
from elastic.policies.tgvkv import TGVKV
from elastic.policies.think import ThinK
from elastic.policies.tova import TOVA
from elastic.policies.vlcache import VLCache

POLICIES: dict[str, type[Policy]] = {
    "full": Full,
    "elastic": Elastic,
    "elastic-plus": ElasticPlus,
    "elastic-released": ElasticReleased,
    "h2o": H2O,
    "streaming": Streaming,
    "vlcache": VLCache,
    "snapkv": SnapKV,
    "pyramidkv": PyramidKV,
    "lookm": LookM,
    "prefixkv": PrefixKV,
    "tgvkv": TGVKV,
    "corm": CORM,
    "think": ThinK,
    "cascading": Cascading,
    "knorm": KNorm,
    "tova": TOVA,
    "keydiff": KeyDiff,
    "subgen": SubGen,
    "expected-attention": ExpectedAttention,
    "cam": CaM,
    "mergingpress": MergingPress,
    "mixkv": MixKV,
    "kvzip": KVzip,
    "adakv": AdaKV,
    "sparsemm": SparseMM,
    "kivi": KIVI,
    "fp8": FP8,
    "less": LESS,
    "quest": Quest,
    "pqcache": PQCache,
    "random": Random,
    "combine": Combine,
}

__all__ = ["POLICIES", "Choice", "Eviction", "LayerView", "Method", "Policy", "Recipe"]

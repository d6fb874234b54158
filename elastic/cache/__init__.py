"""The KV cache: slots and the tables about them, the attention that reads them, and what lives for one forward."""

from elastic.cache.elastic_cache import ElasticCache

__all__ = ["ElasticCache"]

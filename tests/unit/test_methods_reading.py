"""Methods that hold everything and read a part of it, against their rules written out in loops."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from elastic.cache import ElasticCache
from elastic.cache.clusters import centroids_of
from elastic.cache.indexed import IndexedLayer, index_of
from elastic.cache.key_codes import KeyCodes
from elastic.cache.page_bounds import PageBounds
from elastic.cache.slots import SlotLayer
from elastic.engine import compress, decode, extend, step
from elastic.models.graph import StaticStep
from elastic.policies import POLICIES, Method
from elastic.policies.index import CodeIndex, Index, PageIndex
from elastic.policies.parts import (
    BestByCodes,
    BestPages,
    ByScore,
    Coded,
    Everything,
    FixedPoint,
    Reads,
    Received,
    Unscored,
    Voted,
)
from elastic.policies.pqcache import PQCache
from elastic.policies.quest import Quest
from elastic.policies.think import ThinK
from elastic.statistics import Attention, Queries
from tests.unit.plain_model import PlainModel

ANSWER = [20 + 7 * number % 150 for number in range(24)]
READING = {
    "quest": Quest(keep=0.3),
    "quest, small pages": Quest(keep=0.2, page=5),
    "quest, first layer whole": Quest(keep=0.7),
    "pqcache": PQCache(keep=0.3),
    "pqcache, short codes": PQCache(keep=0.15, code_bits=3, sinks=4, rounds=2),
}


def share(keep, slots):
    return max(1, int(keep * slots + 1e-9))


def pages_by_rule(keys, queries, page, keep):
    """Which of a head's keys (S, D) are read, by Quest's rule for the queries (G, D) that share them."""
    slots = len(keys)
    firsts = list(range(0, slots, page))
    bounds = []
    for first in firsts[:-1]:
        of_page = keys[first : first + page]
        low, high = of_page.min(0), of_page.max(0)
        of_each = [sum(max(q * a, q * b) for q, a, b in zip(query, low, high, strict=True)) for query in queries]
        bounds.append(max(of_each))
    count = max(1, share(keep, slots) // page)
    best = sorted(range(len(bounds)), key=lambda number: -bounds[number])[: count - 1]
    read = {token for number in best for token in range(firsts[number], firsts[number] + page)}
    return sorted(read | set(range(firsts[-1], slots)))


def clusters_by_rule(points, count, rounds):
    """Lloyd's rounds (n, d) -> (count, d), from the start that a seed of 0 draws."""
    start = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[:count]
    centroids = points[start.numpy()].copy()
    for _ in range(rounds):
        nearest = [int(((centroids - point) ** 2).sum(1).argmin()) for point in points]
        for number in range(count):
            own = [point for point, at in zip(points, nearest, strict=True) if at == number]
            if own:
                centroids[number] = np.mean(own, 0, dtype=np.float32)
    return centroids


class CodesByRule:
    """PQCache's index of one head's keys, made after the prompt and added to."""

    def __init__(self, keys, sinks, bits, rounds):
        half = keys.shape[1] // 2
        self.sinks, self.halves = sinks, (slice(0, half), slice(half, None))
        self.centroids = [clusters_by_rule(keys[sinks:, part], 2**bits, rounds) for part in self.halves]

    def read(self, keys, queries, keep, scaling):
        """Which of a head's keys (S, D) are read by the queries (G, D)."""
        slots = len(keys)
        count = share(keep, slots)
        newest = (count - self.sinks + 1) // 2
        others = range(self.sinks, slots - newest)
        worth = np.zeros(len(others))
        for query in queries:
            logits = []
            for token in others:
                product = 0.0
                for part, centroids in zip(self.halves, self.centroids, strict=True):
                    nearest = centroids[((centroids - keys[token, part]) ** 2).sum(1).argmin()]
                    product += float(nearest @ query[part])
                logits.append(product * scaling)
            exponents = np.exp(np.array(logits) - max(logits))
            worth += exponents / exponents.sum()
        best = sorted(others, key=lambda token: -worth[token - self.sinks])[: count - self.sinks - newest]
        return sorted({*range(self.sinks), *best, *range(slots - newest, slots)})


def random_keys(slots, heads=2, dim=16, batch=1):
    return torch.randn(batch, heads, slots, dim, generator=torch.Generator().manual_seed(slots))


@pytest.fixture
def asking(monkeypatch):
    """Every query that a layer was asked with: (layer, query, keys, which slots were read)."""
    seen = []

    def reads(layer, query, scaling, ask=IndexedLayer.reads):
        found = ask(layer, query, scaling)
        seen.append((layer, query.clone(), layer.stored()[0].clone(), found))
        return found

    monkeypatch.setattr(IndexedLayer, "reads", reads)
    return seen


def tokens_read(mask):
    return [row.nonzero()[:, 0].tolist() for row in mask]


@pytest.mark.parametrize("name", ["quest", "quest, small pages", "quest, first layer whole"])
def test_quest_reads_the_newest_page_and_those_with_the_largest_bounds(name, start, asking):
    """In every layer and head, of the queries that the model really asks; a new token joins the newest page at once."""
    policy, state = READING[name], compress(start, READING[name])
    whole = [index for index, layer in enumerate(state.cache.layers) if not isinstance(layer, IndexedLayer)]
    assert whole == ([0] if "whole" in name else [])
    layers = 3 - len(whole)
    keep = (3 * policy.keep - len(whole)) / layers
    assert len(list(decode(state, len(ANSWER), forced=ANSWER))) == len(asking) / layers
    for layer, query, keys, read in asking:
        kinds = layer.index.kind
        assert kinds.page == policy.page and kinds.share == pytest.approx(keep)
        grouped = query[0, :, 0].view(2, -1, 16).numpy()
        expected = [pages_by_rule(keys[0, head].numpy(), grouped[head], policy.page, keep) for head in range(2)]
        assert tokens_read(read) == expected
    assert any(first != second for first, second in (tokens_read(read) for *_, read in asking)), "each head its own"


@pytest.mark.parametrize("name", ["pqcache", "pqcache, short codes"])
def test_pqcache_reads_the_ends_and_what_codes_promise(name, start, asking):
    policy, state = READING[name], compress(start, READING[name])
    sinks = min(policy.sinks, share(policy.keep, start.seen) // 3)
    rules = {
        layer: [
            CodesByRule(of_head.numpy(), sinks, policy.code_bits, policy.rounds) for of_head in layer.stored()[0][0]
        ]
        for layer in state.cache.layers
    }
    list(decode(state, 8, forced=ANSWER[:8]))
    assert len(asking) == 8 * 3
    for layer, query, keys, read in asking:
        grouped = query[0, :, 0].view(2, -1, 16).numpy()
        expected = [
            rules[layer][head].read(keys[0, head].numpy(), grouped[head], policy.keep, 16**-0.5) for head in range(2)
        ]
        assert tokens_read(read) == expected


@pytest.mark.parametrize("name", READING)
def test_what_is_not_read_is_as_if_it_were_not_there(name, start, asked, eager):
    """The model written out, of which each head sees what was read and nothing else, says the same at every step."""
    state, plain = compress(start, READING[name]), PlainModel(eager, asked)
    full = [one.logprob for one in decode(compress(start, POLICIES["full"]()), len(ANSWER), forced=ANSWER)]
    ours, expected = [], []
    for token in ANSWER:
        ours.append(float(state.logits[0].log_softmax(-1)[token]))
        expected.append(plain.logprob(token))
        with torch.inference_mode():
            forward, _ = step(state, torch.tensor([[token]]))
        seen = state.seen - 1
        held = [
            [[t for t in of_head if t < seen] for of_head in tokens_read(forward.read[layer])]
            if layer in forward.read
            else [range(seen)] * 2
            for layer in range(3)
        ]
        plain.step(token, held)
    assert ours == pytest.approx(expected, abs=1e-3)
    assert max(abs(a - b) for a, b in zip(ours, full, strict=True)) > 0.05, "it matters what is read"


@pytest.mark.parametrize("name", READING)
def test_a_step_says_what_it_read_and_what_the_next_word_looked_at_is_among_it(name, start):
    policy, state = READING[name], compress(start, READING[name])
    steps = list(decode(state, len(ANSWER), forced=ANSWER))
    assert steps[0].read is None, "the first word comes of the prompt's last query, which read everything"
    for number, one in enumerate(steps):
        seen = start.seen + number + 1
        assert sum(one.slots_read) <= 3 * policy.keep * seen + 1e-6
        if not number:
            continue
        assert one.read.sum(1).tolist() == pytest.approx(steps[number - 1].slots_read, abs=1e-3)
        looked = one.looked > 1e-6
        assert not (looked & (one.read == 0)).any()
        assert one.read[:, seen - 2].tolist() == [1, 1, 1], "a token reads itself"
    assert steps[-1].slots == [start.seen + len(ANSWER)] * 3


def test_bytes_are_those_of_keys_values_and_the_index(start):
    """float32; 3 layers of 2 heads of 16 channels."""
    slot, seen = 2 * 2 * 16 * 4, start.seen
    quest = compress(start, Quest(keep=0.3, page=10, whole_layers=0)).cache
    pages = -(-seen // 10)
    bounds = 2 * 2 * 16 * 4  # of a page, as many bytes as a slot
    assert quest.bytes_held == [seen * slot + pages * bounds] * 3
    read = (int(0.3 * seen) // 10 - 1) * 10 + seen - 10 * (pages - 1)
    assert quest.slots_read == [read] * 3 and quest.bytes_read == [read * slot + (pages - 1) * bounds] * 3
    codes = compress(start, PQCache(keep=0.3, code_bits=5, sinks=8)).cache
    centroids, count = 2 * 32 * 16 * 4, int(0.3 * seen)
    assert codes.bytes_held == [seen * slot + centroids + 2 * 2 * (seen - 8)] * 3
    newest = -(-(count - 8) // 2)
    assert codes.slots_read == [count] * 3
    assert codes.bytes_read == [count * slot + centroids + 2 * 2 * (seen - 8 - newest)] * 3
    for cache in (quest, codes):
        assert sum(cache.bytes_held) <= cache.bytes_allocated
        room = cache.bytes_allocated
        assert room < 1.2 * sum(cache.bytes_held) + 3 * 257 * slot
    full = compress(start, POLICIES["full"]()).cache
    assert full.bytes_read == full.bytes_held and full.slots_read == full.slots and not full.reads_part


def test_layers_that_read_everything_count_for_the_budget_and_take_no_more_than_half_of_it():
    def shares(keep, layers, whole=2):
        found = [BestPages(share=keep, whole=whole).index(layer, layers, 1000) for layer in range(layers)]
        return [1.0 if index is None else index.share for index in found]

    assert shares(0.2, 32) == [1.0, 1.0] + [pytest.approx(4.4 / 30)] * 30
    assert shares(0.1, 32) == [1.0] + [pytest.approx(2.2 / 31)] * 31, "two layers would be more than half"
    assert shares(0.5, 3) == [0.5] * 3 and shares(1.0, 3) == [1.0] * 3
    for keep in (0.01, 0.3, 0.66, 0.99):
        for layers in (1, 3, 32):
            assert sum(shares(keep, layers)) == pytest.approx(keep * layers)
    assert BestPages(share=0.1).index(0, 3, 237).page == 11, "no page is longer than half of what may be read"
    assert BestPages(share=0.01).index(0, 3, 60).page == 1


def test_sinks_take_no_more_than_a_third_and_few_keys_need_no_codes():
    assert BestByCodes(share=0.2).index(0, 3, 300) == CodeIndex(0.2, 20, 6, 10)
    assert BestByCodes(share=0.5).index(0, 3, 300).sinks == 32
    assert BestByCodes(share=0.5).index(0, 3, 76) is None, "but for 12 sinks, 64 keys"
    assert BestByCodes(share=0.5).index(0, 3, 77) == CodeIndex(0.5, 12, 6, 10)
    assert BestByCodes(share=1.0).index(0, 3, 300) is None
    assert Index(0.3).count(10) == 3 and Index(0.01).count(10) == 1


def test_where_no_more_keys_than_centroids_are_held_everything_is_read(tiny_text):
    from elastic.engine import prefill

    state = prefill(tiny_text, tiny_text.first_turn("A dog.", "What is there?"), PQCache().needs)
    state = compress(state, PQCache(keep=0.2))
    assert state.seen <= 64 and not state.cache.reads_part
    assert state.cache.bytes_read == state.cache.bytes_held
    assert "reads 100.0% of the full cache now, and was asked for 20%" in str(state.cache.report())


@pytest.mark.parametrize("name", ["quest", "pqcache"])
def test_a_further_question_reads_everything_and_the_index_is_made_anew(name, start, tiny):
    policy, more = READING[name], tiny.next_turn("Where is the dog?")
    full, state = compress(start, POLICIES["full"]()), compress(start, policy)
    extend(full, more)
    extend(state, more)
    torch.testing.assert_close(state.logits, full.logits, atol=1e-4, rtol=1e-4)
    assert state.read is None and state.cache.layers[1].used == state.seen
    before = state.cache.layers[1].index
    assert before.tokens + (before.kind.sinks if name == "pqcache" else 0) == state.seen, "what was asked is in it"
    list(decode(state, 6, forced=ANSWER[:6]))
    again = compress(state, policy)
    index = again.cache.layers[1].index
    anew = index_of(index.kind, state.cache.layers[1].stored()[0])
    assert index is not before and again.cache.layers[1].used == state.seen
    for one, other in zip(index.tensors, anew.tensors, strict=True):
        assert torch.equal(one[:, :, : other.shape[2]], other)
    assert len(list(decode(again, 6, forced=ANSWER[:6]))) == 6


@pytest.mark.parametrize("copied_by", [deepcopy, ElasticCache.fork])
def test_two_states_of_one_prompt_do_not_share_an_index(copied_by, start):
    state = compress(start, Quest(keep=0.3))
    copied = copied_by(state.cache)
    before = [one.clone() for one in copied.layers[2].index.tensors]
    list(decode(state, 20, forced=ANSWER[:20]))
    assert all(torch.equal(one, other) for one, other in zip(copied.layers[2].index.tensors, before, strict=True))
    assert copied.layers[2].index.tokens == start.seen and state.cache.layers[2].index.tokens == start.seen + 20


def test_a_layer_that_was_moved_away_comes_back_with_its_index():
    layer = SlotLayer()
    layer.write(random_keys(100), random_keys(100), None)
    for kind in (PageIndex(0.3, 8), CodeIndex(0.3, 4, 4, 3)):
        indexed = IndexedLayer(layer, kind)
        query = random_keys(1, heads=4)
        before = indexed.reads(query, 0.25)
        indexed.offload()
        indexed.prefetch()
        assert indexed.keys.device == layer.keys.device and torch.equal(indexed.reads(query, 0.25), before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", [PageIndex(0.3, 8), CodeIndex(0.3, 4, 4, 3)])
def test_indices_of_half_precision_are_held_in_it(kind, dtype):
    keys = random_keys(90, batch=2).to(dtype)
    index = index_of(kind, keys[:, :, :80])
    for number in range(80, 90):
        index.add(keys[:, :, number : number + 1])
    read = index.reads(random_keys(1, heads=6, batch=2).to(dtype), 0.25, 90)
    assert read.shape == (4, 90) and read.sum(1).tolist() == [index.count(90)] * 4
    assert all(one.dtype in (dtype, torch.uint8) for one in index.tensors)


def test_bounds_hold_for_every_key_of_a_page_and_grow_with_it():
    keys = random_keys(53)
    index = PageBounds(PageIndex(0.5, 7), keys[:, :, :10])
    for first, last in ((10, 11), (11, 30), (30, 53)):
        index.add(keys[:, :, first:last])
    for head in range(2):
        for page in range(8):
            own = keys[0, head, 7 * page : 7 * page + 7]
            assert torch.equal(index.low[0, head, page], own.amin(0))
            assert torch.equal(index.high[0, head, page], own.amax(0))
    query = random_keys(1)
    bound = index.promise(query, 1.0, 53)
    products = (keys[0] @ query[0].mT)[..., 0]
    for page in range(7):
        assert (products[:, 7 * page : 7 * page + 7].amax(1) <= bound[:, page] + 1e-5).all()


def test_of_equal_promises_the_first_are_read():
    """Keys of one code promise the same; patches of a plain picture have such."""
    keys = random_keys(40)
    keys[:, :, 10:30] = keys[:, :, 10:11]
    for kind in (PageIndex(0.5, 2), CodeIndex(0.5, 2, 3, 4)):
        index = index_of(kind, keys)
        read = index.reads(8 * keys[:, :, 10:11], 0.25, 40)
        for row in read:
            alike = row[10:30].nonzero()[:, 0].tolist()
            assert alike == list(range(len(alike))) and 0 < len(alike) < 20
            assert int(row.sum()) == index.count(40)


def test_centroids_are_those_of_lloyds_rounds_and_the_same_each_time():
    points = torch.randn(3, 50, 4, generator=torch.Generator().manual_seed(1))
    points[2, :25] = points[2, 0]  # fewer different points than that: some centroids are nearest to none
    for rounds in (1, 5, 40):
        found = centroids_of(points, 8, rounds)
        expected = np.stack([clusters_by_rule(row.numpy(), 8, rounds) for row in points])
        torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=1e-5)
        assert torch.equal(found, centroids_of(points, 8, rounds))
    with pytest.raises(ValueError, match="50 points for 51 centroids"):
        centroids_of(points, 51, 1)


def test_channels_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="15 channels cannot be cut into 2 equal parts"):
        KeyCodes(CodeIndex(0.3, 4, 2, 3), random_keys(40, dim=15))


def test_such_a_cache_is_not_decoded_with_a_captured_step(start):
    state, full = compress(start, Quest(keep=0.3)), compress(start, POLICIES["full"]())
    assert StaticStep.fits(full.cache) and not StaticStep.fits(state.cache)
    decoder, token = state.llava.decoder, torch.tensor([[33]])
    with torch.inference_mode():
        forward = state.cache.enter(token)
        logits = decoder.step(token, state.cache, forward, static=True)
        state.cache.observe(forward)
        other = compress(start, Quest(keep=0.3))
        expected = decoder.step(token, other.cache, other.cache.enter(token), static=False)
    assert forward.read and torch.equal(logits, expected)


def snapkv(reads):
    """SnapKV, of whose choice a part is read."""
    return Method(
        keep=0.4,
        score=Received(Attention(rows=Queries.LAST, n=16, per_head=True)),
        select=Voted(window=16, kernel=5),
        reads=reads,
    )


@pytest.mark.parametrize("reads", [BestPages(share=0.5, page=8, whole=1), BestByCodes(share=0.5, bits=4)])
def test_a_part_is_read_of_what_another_method_keeps(reads, start, asked, eager):
    state, plain = compress(start, snapkv(reads)), PlainModel(eager, asked)
    kept = int(0.4 * start.seen)
    assert state.cache.slots == [kept] * 3 and state.cache.tables.rows == 2
    for token in ANSWER[:10]:
        with torch.inference_mode():
            forward, _ = step(state, torch.tensor([[token]]))
        slots = kept + state.seen - start.seen
        assert sum(state.cache.slots_read) <= 3 * 0.5 * slots and sum(state.cache.slots_read) > 3 * 0.5 * slots - 3 * 16
        held = []
        for layer in range(3):
            every = torch.ones(2, slots, dtype=torch.bool)
            source = state.cache.tables.source[layer, :, :slots]
            mask = forward.read.get(layer, every)
            read = [row[own].tolist() for row, own in zip(source, mask, strict=True)]
            held.append([[t for t in row if t < state.seen - 1] for row in read])
        plain.step(token, held)
        torch.testing.assert_close(state.logits[0], plain.logits, atol=1e-3, rtol=1e-3)


def test_an_index_goes_with_nothing_that_frees_turns_or_rewrites_slots(start):
    for parts in ({"decoding": FixedPoint()}, {"heads": ByScore()}, {"growth": "constant"}):
        with pytest.raises(ValueError, match="BestPages looks slots up in an index to which new ones are only added"):
            Method(keep=0.3, reads=BestPages(), **parts)
    for parts in ({"numbers": Coded()}, {"positions": "re-rotated"}):
        with pytest.raises(ValueError, match="BestByCodes looks keys up as they are stored"):
            Method(keep=0.3, reads=BestByCodes(), **parts)
    with pytest.raises(ValueError, match="reads must be of the kind Reads"):
        Method(reads=0.5)
    with pytest.raises(ValueError, match=r"share of BestPages must be a number between 0\.01 and 1, got 2"):
        Method(reads=BestPages(share=2.0))
    thin = ThinK(keep=0.75).recipe.merge
    method = Method(keep=1.0, score=Unscored(), select=Everything(), merge=thin, reads=BestPages())
    with pytest.raises(ValueError, match="looked up in an index and hold them in fewer channels or bits"):
        compress(start, method)
    with pytest.raises(ValueError, match="in fewer channels and also in fewer bits"):
        compress(start, replace(method, keep=0.5, reads=Reads(), numbers=Coded()))
    with pytest.raises(ValueError, match="is no index that is known here"):
        index_of(Index(0.5), random_keys(10))


def test_a_report_says_what_is_held_and_what_is_read(start):
    report = compress(start, Quest(keep=0.3)).cache.report()
    assert report.share > 1 and 0.3 < report.share_read < 0.375 and report.beyond == ""
    assert f"of which a token reads {report.bytes_read:,}, {report.share_read:.1%}, asked for 30%" in str(report)
    small = compress(start, Quest(keep=0.1)).cache.report()
    assert small.beyond.startswith("Quest reads ") and small.beyond.endswith("and was asked for 10%.")

"""The benchmarks measure what they say: contenders alternate and compute the same, memory is real. No durations."""

import json
import os
from functools import partial
from itertools import count

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.cache_utils import DynamicCache

from benchmarks import compress, decode, kept, lengths, measure, methods, models, prefill, report
from benchmarks.measure import Timing, alternate, copy_bandwidth, free_bytes, peaks_in_children
from benchmarks.models import SHAPES, Shape, hollow_model, llava_model, random_ids, random_prompt, text_model
from benchmarks.printed import bits, heads, rehearsal
from benchmarks.printed.sheet import Sheet
from elastic.engine import prefill as read
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full
from elastic.policies.streaming import Streaming
from elastic.statistics import Attention

TINY = Shape(2, 64, 4, 128, 256, tower_layers=2, tower_hidden=32, tower_heads=2, image_size=28, patch_size=7)
KEYS = ["case", "contender", "median_s", "low_s", "high_s", "tokens_per_s", "peak_extra_bytes", "limit_fraction"]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Models this small only lose by sharing their work, and a lot where others want the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_contenders_take_turns_and_the_warm_up_does_not_count():
    order, clock = [], count()

    def contender(name):
        order.append(name)
        return Timing(next(clock))

    runs = alternate({name: partial(contender, name) for name in "abc"}, 3, "cpu", "test")
    assert "".join(order) == "cba" + "abc" + "cba" + "abc"
    assert {name: [run.seconds for run in some] for name, some in runs.items()} == {
        "a": [3, 8, 9],
        "b": [4, 7, 10],
        "c": [5, 6, 11],
    }


def test_a_contender_without_memory_is_left_out_and_the_others_go_on(capsys):
    def tensor():
        return Timing(torch.empty(2**60).nbytes)

    def items():
        return Timing(len([0] * 2**60))

    runs = alternate({"tensor": tensor, "plain": lambda: Timing(1.0), "list": items}, 2, "cpu", "test")
    assert runs == {"tensor": [], "plain": [Timing(1.0)] * 2, "list": []}
    assert capsys.readouterr().out.count("out of memory") == 2
    with pytest.raises(RuntimeError, match="shapes"):
        alternate({"wrong": lambda: torch.ones(2, 3) @ torch.ones(2, 3)}, 1, "cpu", "test")


def test_a_row_has_median_quartiles_and_what_follows_from_them():
    some = [Timing(seconds) for seconds in (5.0, 1.0, 4.0, 2.0, 3.0)]
    row = report.row("case", "name", some, scale=2, tokens=12, extra_bytes=7, limit_s=1.5)
    assert row == report.TableRow("case", "name", 6.0, 4.0, 8.0, 2.0, 7, 0.25)
    alone = report.row("case", "name", some[:1])
    assert (alone.median_s, alone.low_s, alone.high_s, alone.tokens_per_s, alone.limit_fraction) == (
        5,
        5,
        5,
        None,
        None,
    )
    assert report.row("case", "name", [], tokens=12, limit_s=1.5) == report.TableRow("case", "name")
    assert report.ratio([row, report.TableRow("case", "other", 3.0)], "case", "name", "other") == 2.0
    assert report.ratio([row, report.TableRow("case", "other")], "case", "name", "other") is None


def test_goals_say_whether_they_were_reached(capsys):
    report.goal("a", 1.2, 1.25)
    report.goal("b", 1.3, 1.25)
    report.goal("c", 1.3, 1.25, at_least=True)
    report.goal("d", 1.2, 1.25, at_least=True)
    report.goal("e", None, 1.25)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["reached", "MISSED"] * 2


def test_peak_memory_of_a_known_tensor_is_its_size():
    sizes = [32_000_000, 96_000_000]
    found = peaks_in_children(partial(partial, torch.ones), [(size // 4,) for size in sizes])
    assert found[1] - found[0] == pytest.approx(sizes[1] - sizes[0], abs=1_000_000)
    # A few megabytes more, for this first use of torch loads some of its code.
    assert sizes[0] - 1_000_000 < found[0] < sizes[0] + 12_000_000


def test_a_killed_process_has_no_peak():
    assert peaks_in_children(os._exit, [(1,)]) == [None]


def test_free_memory_lies_between_unused_and_all_of_it():
    unused, everything = (
        os.sysconf("SC_PAGE_SIZE") * os.sysconf(name) for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES")
    )
    assert 0.5 * unused < free_bytes("cpu") < everything


def test_bandwidth_counts_bytes_read_and_written(monkeypatch):
    clock = count()
    monkeypatch.setattr(measure, "now", lambda device: next(clock))  # a second passes between two looks
    assert copy_bandwidth("cpu", 3_000_000) == 3_000_000
    monkeypatch.setattr(measure, "LARGE_COPY", 1000)
    assert copy_bandwidth("cpu", 3_000_000) == 1000


@pytest.mark.parametrize(("name", "llama"), [("7B", 6_738_415_616), ("13B", 13_015_864_320)])
def test_random_models_have_the_size_of_the_checkpoints(name, llama):
    llava = llava_model(SHAPES[name], name, "meta")
    language = llava.model.model.language_model
    parameters = sum(parameter.numel() for parameter in [*language.parameters(), llava.model.lm_head.weight])
    assert parameters == llama + 2 * 64 * SHAPES[name].hidden  # llava-1.5 adds 64 tokens to Llama 2's 32,000
    assert SHAPES[name].image_id == 32000 and SHAPES[name].patches == 576
    assert llava.model.dtype in (torch.float16, torch.bfloat16)
    assert decode.token_bytes(llava) == SHAPES[name].kv_bytes(1, 2)


def test_a_random_prompt_has_one_token_per_patch():
    llava = llava_model(TINY, "tiny", "cpu")
    prompt = random_prompt(llava, TINY, 40, batch=2)
    assert (prompt.ids == TINY.image_id).sum(1).tolist() == [16, 16]
    llava.model(input_ids=prompt.ids, **prompt.inputs)  # refuses any other number
    ids = random_ids(TINY, 200, 1, "cpu")
    assert (ids[0, -64:] != TINY.image_id).all() and (ids[0, 1:-64] == TINY.image_id).all()
    with pytest.raises(ValueError, match="does not fit"):
        random_prompt(llava, TINY, 16, batch=1)


@pytest.fixture
def reader_model():
    """With weights so large that attention is far from even."""
    model = text_model(TINY, "cpu")
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.q_proj.weight *= 30
            layer.self_attn.k_proj.weight *= 30
    return model


def test_readers_compute_the_same_logits_and_statistics(reader_model):
    ids = random_ids(TINY, 150, 1, "cpu")
    found = {}
    for name in (prefill.EVERY, prefill.EAGER, prefill.PLAIN, prefill.AFTER):
        reader = prefill.READERS[name]
        found[name] = reader.read(reader_model, ids, reader.prepare(reader_model))
        torch.testing.assert_close(found[name][0], found[prefill.EVERY][0], atol=1e-4, rtol=1e-4)
    assert found[prefill.PLAIN][0].shape == (1, 1, TINY.vocab)
    eager = found[prefill.EAGER][1]
    assert eager.std(1).min() > 0.3
    torch.testing.assert_close(found[prefill.EVERY][1], eager, atol=1e-3, rtol=1e-4)
    reader_model.set_attn_implementation("eager")
    weights = reader_model(ids, output_attentions=True).attentions
    after = torch.stack([of_layer[0, :, -models.WORDS_AFTER :].sum(1).mean(0) for of_layer in weights])
    torch.testing.assert_close(found[prefill.AFTER][1], after, atol=1e-3, rtol=1e-4)
    assert found[prefill.PLAIN][1] is None


def test_plain_readers_keep_out_of_our_attention(reader_model):
    for name, implementation in {
        prefill.EVERY: "elastic",
        prefill.PLAIN: "sdpa",
        prefill.AFTER: "elastic",
        prefill.EAGER: "eager",
    }.items():
        cache = prefill.READERS[name].prepare(reader_model)
        assert reader_model.config._attn_implementation == implementation
        assert (type(cache) is DynamicCache) == (implementation != "elastic")


def written(path, cases):
    """Rows of a JSON file that has the schema."""
    content = json.loads(path.read_text())
    assert set(content) == {"machine", "rows"} and content["machine"]["device"] == "CPU"
    assert list(dict.fromkeys(row["case"] for row in content["rows"])) == cases
    for row in content["rows"]:
        assert list(row) == KEYS
        timed = [row["low_s"], row["median_s"], row["high_s"]]
        assert timed == [None] * 3 or 0 < timed[0] <= timed[1] <= timed[2]
    return content["rows"], content["machine"]


def test_prefill_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SHAPES, "mid-size", TINY)
    out = tmp_path / "out.json"
    prefill.main(["--quick", "--rounds", "2", "--tokens", "1024", "--out", str(out)])
    rows, _ = written(out, ["T = 1024"])
    assert [row["contender"] for row in rows] == list(prefill.READERS)
    found = {row["contender"]: row for row in rows}
    weights = 1024**2 * TINY.heads * 4  # of the one layer of a quick run, which eager keeps
    assert found[prefill.EAGER]["peak_extra_bytes"] - found[prefill.PLAIN]["peak_extra_bytes"] > 0.9 * weights
    assert found[prefill.EAGER]["tokens_per_s"] == pytest.approx(1024 / found[prefill.EAGER]["median_s"])
    assert "x SDPA" in capsys.readouterr().out


def test_eager_is_skipped_with_a_line_where_it_would_not_fit(monkeypatch, capsys):
    assert prefill.eager_bytes(TINY, 1000, 4) >= 2 * 4 * 1000**2 * 4  # the weights of both layers alone
    monkeypatch.setattr(prefill, "free_bytes", lambda device: 1e6)
    runs = prefill.time_all(TINY, [70, 500], 1, "cpu")
    assert [len(runs[tokens, prefill.EAGER]) for tokens in (70, 500)] == [1, 0]
    assert len(runs[500, prefill.PLAIN]) == 1
    assert "T = 500" in capsys.readouterr().out


def goals(capsys):
    """The goals that were printed: their text and whether they were reached."""
    lines = capsys.readouterr().out.partition("\n\n")[2].splitlines()
    return {line[8:].partition(":")[0]: line.startswith("reached") for line in lines}


def test_goals_of_prefill(capsys):
    peaks = {prefill.EVERY: (12, 52), prefill.AFTER: (11, 41), prefill.PLAIN: (10, 40), prefill.EAGER: (60, 200)}
    rows = [
        report.TableRow(f"T = {tokens}", name, median_s=seconds, peak_extra_bytes=of_name[place])
        for place, tokens in enumerate((1024, 4096))
        for (name, of_name), seconds in zip(peaks.items(), (1.2 + place, 1.0, 1.0, 2.0), strict=True)
    ]
    prefill.show(rows, [1024, 4096], "cpu")
    assert goals(capsys) == {
        "every row over SDPA, time at T = 1024": True,
        "every row over SDPA, time at T = 4096": False,
        "every row over eager, memory added to SDPA's at T = 4096": False,  # 12 / 160
        "every row, memory per token at T = 4096 over that at T = 1024": True,  # 52 / 48
    }


@pytest.mark.parametrize("tokens", [50, 333, 640])
def test_the_loop_merges_as_ours_does(tokens):
    torch.manual_seed(tokens)
    full = compress.filled(hollow_model(TINY, 2, "cpu"), tokens, frozenset({Attention()}))
    ours = full.fork()
    ours.compress(compress.policy_named("elastic"), 256)
    assert ours.slots == [int(0.2 * tokens)] * 2 and full.slots == [tokens] * 2
    for index, layer in enumerate(full.layers):
        keys, values = compress.loop(*layer.stored(), full.tables.scores[Attention()][index, 0], 0.2)
        torch.testing.assert_close(keys, ours.layers[index].stored()[0])
        torch.testing.assert_close(values, ours.layers[index].stored()[1])


def test_compress_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SHAPES, "7B", Shape(4, 64, 4, 128, 256))
    monkeypatch.setattr(compress, "QUICK_LENGTHS", (200, 300))
    out = tmp_path / "out.json"
    compress.main(["--quick", "--rounds", "2", "--policies", "elastic", "--out", str(out)])
    rows, _ = written(out, ["T = 200, 2 layers x 2", "T = 300, 2 layers x 2"])
    assert [row["contender"] for row in rows] == ["elastic", compress.LOOP, "prefill, 1 layer x 4"] * 2
    assert all(row["median_s"] > 0 for row in rows)
    assert "faster than loop" in capsys.readouterr().out


def test_compress_leaves_out_what_would_take_too_long(monkeypatch, capsys):
    monkeypatch.setattr(compress, "LONGEST", 0)
    rows = compress.measure(TINY, 2, ["elastic"], [200, 300], 1, "cpu")
    assert [row.median_s is None for row in rows] == [False] * 3 + [True] * 3
    assert capsys.readouterr().out.count("T = 300: ") == 2


CASE = decode.Case("tiny", 276, 12)


@pytest.fixture
def prompt(tiny, picture):
    return tiny.first_turn(picture, "Describe the image in detail.")


def test_all_contenders_with_the_full_cache_write_the_same(tiny, prompt):
    answers = {name: run().output for name, run in decode.contenders(tiny, prompt, CASE).items()}
    expected = answers[decode.DYNAMIC].tokens
    assert expected.shape == (1, 13) and len(expected.unique()) > 3
    assert answers[decode.FULL].tokens.equal(expected) and answers[decode.STATIC].tokens.equal(expected)
    assert not answers[decode.ELASTIC].tokens.equal(expected)


def test_bytes_read_are_those_of_the_tensors(tiny, prompt):
    tokens, one = prompt.ids.shape[1], decode.token_bytes(tiny)
    cache = DynamicCache(config=tiny.model.config.text_config)
    with torch.inference_mode():
        tiny.model(input_ids=prompt.ids, **prompt.inputs, past_key_values=cache)
    assert sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers) == tokens * one
    read = {name: run().output.read for name, run in decode.contenders(tiny, prompt, CASE).items()}
    assert read[decode.FULL] == (tokens + 6) * one
    assert read[decode.DYNAMIC] == pytest.approx(read[decode.FULL])
    assert read[decode.STATIC] == (tokens + 12) * one
    budget = int(0.2 * tokens)
    assert budget * one <= read[decode.CONSTANT] <= (budget + 1) * one
    assert read[decode.CONSTANT] < read[decode.ELASTIC] <= (int(0.2 * (tokens + 12)) + 1) * one


def test_the_library_writes_past_end_tokens(tiny, prompt):
    before = tiny.model.generation_config.eos_token_id
    first = decode.run_library(tiny, prompt, is_static=False, steps=4).output.tokens
    try:
        tiny.model.generation_config.eos_token_id = int(first[0, 1])
        assert decode.run_library(tiny, prompt, is_static=False, steps=4).output.tokens.equal(first)
    finally:
        tiny.model.generation_config.eos_token_id = before


def test_times_are_per_step_and_the_limit_is_bytes_over_bandwidth(tiny, prompt, monkeypatch):
    clock = count()
    monkeypatch.setattr(decode, "now", lambda device: next(clock))  # every answer takes a second
    rows = decode.measure(tiny, prompt, CASE, 1, bandwidth=1e9)
    assert [row.contender for row in rows] == [*CASE.policies(), decode.DYNAMIC, decode.STATIC]
    assert all(row.median_s == pytest.approx(1 / 12) and row.tokens_per_s == pytest.approx(12) for row in rows)
    read = tiny.shape["weight_bytes"] + (prompt.ids.shape[1] + 6) * decode.token_bytes(tiny)
    assert rows[0].limit_fraction == pytest.approx(read / 1e9 * 12)


def test_the_first_and_the_last_steps_of_a_long_answer_are_timed(tiny, prompt, monkeypatch):
    seen, step = {}, decode.step

    def watched(state, tokens):
        following = step(state, tokens)
        seen[id(state)] = state.seen - prompt.ids.shape[1]
        return following

    monkeypatch.setattr(decode, "step", watched)
    monkeypatch.setattr(decode, "EDGE", 5)
    rows = decode.measure_long(tiny, prompt, CASE, 1)
    assert [row.contender for row in rows] == ["tokens 1 to 5", "tokens 8 to 12"]
    assert all(row.median_s > 0 for row in rows)
    assert sorted(seen.values()) == [5, 12]


def test_goals_of_decode_on_a_gpu(capsys):
    rows = [
        report.TableRow(case, name, median_s=seconds, limit_fraction=fraction)
        for case in ("7B, batch 16, 1024 + 512, keep 0.2", "7B, batch 8, 1024 + 512, keep 0.2")
        for name, seconds, fraction in ((decode.FULL, 2.0, 0.8), (decode.ELASTIC, 1.0, 0.6))
    ]
    rows.append(report.TableRow("7B, batch 16, 1024 + 512, keep 0.2", decode.DYNAMIC))  # ran out of memory
    decode.show(rows, "cuda")
    assert goals(capsys) == {
        "elastic, times faster than full, 7B, batch 16, 1024 + 512, keep 0.2": True,
        "ours, full, share of the memory limit, 7B, batch 16, 1024 + 512, keep 0.2": True,
        "ours, elastic, share of the memory limit, 7B, batch 16, 1024 + 512, keep 0.2": False,
    }


def test_decode_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SHAPES, "mid-size", TINY)
    monkeypatch.setattr(decode, "CPU_CASES", [decode.Case("mid-size", 30, 4, batch=2)])
    out = tmp_path / "out.json"
    decode.main(["--rounds", "1", "--cases", "mid-size", "--out", str(out)])
    case = "mid-size, batch 2, 30 + 4, keep 0.2"
    rows, machine = written(out, [case])
    assert all(row["limit_fraction"] > 0 and row["peak_extra_bytes"] is None for row in rows)
    assert rows[0]["tokens_per_s"] == pytest.approx(2 / rows[0]["median_s"])
    assert list(machine["copy_bytes_per_s"]) == [case]
    assert "% of limit" in capsys.readouterr().out


def test_methods_times_every_policy_at_a_share_it_can_hold(tmp_path, monkeypatch, capsys):
    chosen = {name: methods.POLICIES[name] for name in ("full", "h2o", "think")}
    monkeypatch.setattr(methods, "POLICIES", chosen)
    out = tmp_path / "out.json"
    methods.main(["--quick", "--rounds", "1", "--keep", "0.3", "--out", str(out)])
    rows, _ = written(out, ["reading", "compressing", "step"])
    assert [row["contender"] for row in rows] == 3 * list(chosen) and all(row["median_s"] > 0 for row in rows)
    assert [policy.keep for policy in methods.policies(0.3).values()] == [1.0, 0.3, 0.55]
    assert "step / full" in capsys.readouterr().out


def test_the_picture_of_what_is_kept_fades_what_was_dropped(pocket, picture):
    chosen = {"full": Full(), "streaming": Streaming(keep=0.2), "elastic": Elastic(keep=0.2, protect_text=False)}
    page = kept.montage(pocket, picture, "Where is the dog?", chosen)
    wide, top = kept.SIDE + kept.GAP, kept.GAP + kept.LARGE.size + 8
    corner, end = (20, 20), (kept.SIDE - 8, kept.SIDE - 8)  # the first patches are no sink's, the last are the newest

    def colour(side, at):
        return np.array(page.getpixel((kept.GAP + side * wide + at[0], top + at[1])))

    assert (colour(1, corner) > 230).all() and (colour(1, end) == colour(0, end)).all()
    full, merged = (np.array([colour(side, (x, 150)) for x in range(8, 280, 16)]).mean() for side in (0, 2))
    assert full < merged < full + 0.6 * (255 - full)  # merged fades, half as far


@pytest.mark.parametrize("program", [prefill, compress, decode, methods])
def test_help_and_wrong_options(program, capsys):
    with pytest.raises(SystemExit, match="0"):
        program.main(["--help"])
    shown = capsys.readouterr().out
    assert program.__doc__.splitlines()[0] in shown and all(name in shown for name in ("--quick", "--out", "--device"))
    for wrong in (["--rounds", "0"], [] if torch.cuda.is_available() else ["--device", "cuda"]):
        if wrong:
            with pytest.raises(SystemExit, match="2"):
                program.main(wrong)


def test_lengths_say_what_a_prompt_of_so_many_tokens_costs(tiny_text, tiny, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(lengths, "_model", lambda name, device: tiny_text if name else tiny)
    out = tmp_path / "lengths.json"
    asked = ["--no-peak", "--rounds", "1", "--policies", "full", "h2o", "--keep", "0.25", "--out", str(out)]
    lengths.main(["--model", "tiny", "--tokens", "100,200", *asked])
    rows = json.loads(out.read_text())["rows"]
    assert [(row["tokens"], row["policy"]) for row in rows] == [
        *((100, "full"), (100, "h2o"), (200, "full"), (200, "h2o"))
    ]
    # A key and a value of 16 numbers, in 3 layers of 2 heads, of 4 bytes.
    slot = 2 * 16 * 3 * 2 * 4
    assert [row["bytes_prompt"] for row in rows] == [slot * slots for slots in (100, 25, 200, 50)]
    assert [row["bytes_peak"] for row in rows] == [slot * slots for slots in (132, 25, 232, 50)], "H2O grows by nothing"
    assert all(row["bytes_allocated"] >= row["bytes_peak"] and min(row["step_s"]) > 0 for row in rows)
    assert "prompts of 200 tokens" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        lengths.main(["--tokens", "100", *asked])
    assert "A picture has more than 100 tokens" in capsys.readouterr().err


def test_peak_memory_of_a_length_is_that_of_a_process_that_has_loaded_the_model(tiny_text_folder):
    (peak,) = peaks_in_children(lengths.prepared, [(str(tiny_text_folder), 800, Full(), 4)])
    held = 800 * 2 * 16 * 3 * 2 * 4
    assert peak is not None and held < peak < 2**29


def test_the_picture_of_heads_shows_what_each_holds_and_all_hold_as_many_together(pocket):
    tables = {text: heads.held(pocket, text) for text in heads.METHODS}
    numbers, seen = tables["snapkv"]
    layers, rows = numbers.shape
    assert (numbers == int(heads.KEEP * seen)).all() and rows == pocket.model.config.text_config.num_key_value_heads
    for text, (others, _) in tables.items():
        assert others.shape == numbers.shape and others.sum() <= numbers.sum()
        assert others.sum() > numbers.sum() - layers * rows
        assert (len(np.unique(others)) > 1) == (text != "snapkv")


def test_the_error_of_rounding_is_that_of_each_number_and_of_a_group_along_what_is_said():
    torch.manual_seed(5)
    numbers = torch.randn(2, 64, 32) * torch.logspace(-1, 1, 32)  # channels differ, as keys' do
    off = {True: [], False: []}
    for along_tokens, distances in off.items():
        for head in numbers:
            for group in (head.T if along_tokens else head).reshape(-1, 32).tolist():
                low, step = min(group), (max(group) - min(group)) / 3
                distances += [abs(low + step * round((number - low) / step) - number) for number in group]
        expected = np.mean(distances) / numbers.abs().mean().item()
        assert bits.error(numbers, 2, along_tokens) == pytest.approx(expected, rel=1e-3)
    assert bits.error(numbers, 2, True) < bits.error(numbers, 2, False)


def test_the_picture_of_a_rehearsal_asks_each_question_of_the_one_cache_that_was_compressed_before(pocket):
    scene = rehearsal.random_scene(rehearsal.SEED)
    picture, questions = rehearsal.render(scene)[0], rehearsal.asked_of(scene)
    assert len({question for question, _ in questions}) == rehearsal.QUESTIONS
    question, right = questions[0]
    context = read(pocket, pocket.halves(picture, question)[0], Full().needs, record_attention=False)
    seen = context.seen
    assert rehearsal.answered(pocket, context, picture, question) == right, "the full cache knows it"
    assert context.seen == context.cache.seen == seen, "the next question finds it as it was"


def test_a_printed_picture_fades_what_was_lost_and_nothing_else():
    sheet = Sheet(40, 40)
    sheet.picture((4, 4), Image.new("RGB", (8, 8), (200, 40, 40)), 32, np.array([[0.0, 1.0], [0.5, 0.0]]))
    assert sheet.image.getpixel((10, 10)) == sheet.image.getpixel((30, 30)) == (200, 40, 40)
    gone, half = sheet.image.getpixel((30, 10)), sheet.image.getpixel((10, 30))
    assert min(gone) > 235 and 40 < half[1] < gone[1]

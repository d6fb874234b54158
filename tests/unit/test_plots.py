"""Figures of a run: what they draw is what numpy computes from the trace."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from tests.view_traces import ELASTIC, FULL, HEADS, LARGE, NASTY, PAIR, THIN, TILED, cut, make, run_of
from viz import plots


def drawn(figure, name):
    """The one trace of that name."""
    return next(trace for trace in figure.data if trace.name == name)


def conversation(trace):
    """A later turn: some of what stands before the question was written by the model, most tokens held no slot."""
    written = trace.is_prompt.copy()
    written[21:23] = False
    score = np.where((trace.owner == np.arange(len(trace.pieces))).any(1), trace.score, np.nan)
    return replace(trace, is_prompt=written, score=score.astype(np.float32))


RUNS = {
    "pair": run_of("pair", PAIR),
    "heads": run_of("heads", (FULL, HEADS)),
    "large": run_of("large", (make(4, grid=24, layers=2, policy="full"), LARGE)),
    "tiled": run_of("tiled", TILED),
    "thin": run_of("thin", (FULL, THIN)),
    "not begun": run_of("not begun", [cut(side, 0) for side in PAIR]),
    "one side": run_of("one side", [ELASTIC]),
    "one not begun": run_of("one not begun", [cut(FULL, 0)]),
    "no sides": replace(run_of("no sides", [ELASTIC]), sides=[]),
    "second still waits": run_of("second still waits", [cut(FULL, 3), cut(ELASTIC, 0)]),
    "conversation": run_of("conversation", [conversation(side) for side in PAIR], history=[[("a", "b")]] * 2),
    "nothing scored": run_of("nothing scored", [replace(ELASTIC, score=np.full_like(ELASTIC.score, np.nan))]),
    "nothing kept": run_of("nothing kept", [replace(ELASTIC, owner=np.full_like(ELASTIC.owner, -1))]),
}


@pytest.mark.parametrize("name", RUNS)
def test_every_run_has_all_its_figures(name):
    run = RUNS[name]
    shown = plots.figures(run)
    assert len(shown) == (6 if run.sides else 0)
    for title, figure in shown.items():
        assert figure.layout.title.text == title
        figure.to_json()
    for figure in (plots.anchors_kept(run), plots.budgets(run), plots.divergence(run)):
        figure.to_json()  # these take a run without sides too


@pytest.mark.parametrize("trace, head", [(ELASTIC, 0), (HEADS, 0), (HEADS, 1), (FULL, 0), (LARGE, 0), (TILED[1], 0)])
def test_the_map_shows_who_holds_each_token(trace, head):
    cells = plots.owners(trace, head).data[0]
    owner = trace.owner[:, head]
    mine = owner == np.arange(owner.shape[1])
    assert np.array_equal(cells.z == 3, mine)
    assert np.array_equal(cells.z == 0, owner == -1)
    assert np.array_equal(np.isin(cells.z, (1, 2)), (owner >= 0) & ~mine)
    sizes = [[(layer == holder).sum() if holder >= 0 else 0 for holder in layer] for layer in owner]
    assert np.array_equal(cells.customdata, sizes)
    merged = np.argwhere((owner >= 0) & ~mine)
    for layer, token in merged[::50]:
        holder = owner[layer, token]
        number, _, label = cells.x[holder].partition(" ")
        assert int(number) == holder + 1
        assert cells.text[layer][token] == (label if trace.is_image[holder] else cells.x[holder])
    assert cells.zmin == -0.5 and cells.zmax == 3.5 and cells.y0 == 1


def test_neighbouring_groups_differ_in_shade():
    cells = plots.owners(LARGE).data[0]
    for owner, shade in zip(LARGE.owner[:, 0], cells.z, strict=True):
        meet = (owner[1:] != owner[:-1]) & (shade[1:] < 3) & (shade[:-1] < 3)
        assert meet.any() and (shade[1:] != shade[:-1])[meet].all()


def test_patches_are_named_by_row_and_column_from_one():
    labels = plots.owners(ELASTIC).data[0].x
    assert labels[:6] == ("1 &lt;s&gt;", "2 USER", "3 :", "4 ·", "5 r1c1", "6 r1c2")
    assert labels[19] == "20 r4c4" and labels[20] == "21 ⏎"


def test_a_head_that_is_not_there_is_the_last_one():
    assert np.array_equal(plots.owners(HEADS, 9).data[0].z, plots.owners(HEADS, 1).data[0].z)
    assert not np.array_equal(plots.owners(HEADS, 0).data[0].z, plots.owners(HEADS, 1).data[0].z)


@pytest.mark.parametrize("draw", [plots.owners, plots.importance])
def test_image_earlier_turns_and_question_are_marked_where_they_are(draw):
    trace = conversation(ELASTIC)
    figure = draw(trace)
    first = 0 if draw is plots.owners else 1  # categories count from 0
    marks = [(shape.x0 - first + 0.5, shape.x1 - first + 0.5) for shape in figure.layout.shapes if shape.y0 > 1]
    assert marks == [(4, 20), (20, 23), (23, 26)]
    assert [note.text for note in figure.layout.annotations] == ["image", "earlier turns", "question"]


def test_anchors_are_counted_per_layer_and_head_apart_for_image_and_text():
    cells_image, cells_text = plots.anchors_kept(RUNS["heads"]).data
    kept = HEADS.owner == np.arange(len(HEADS.pieces))
    assert cells_image.z.shape == (2, 3)
    assert np.array_equal(cells_image.z, kept[:, :, HEADS.is_image].sum(2).T)
    assert np.array_equal(cells_text.z, kept[:, :, ~HEADS.is_image].sum(2).T)
    bars_image, bars_text = plots.anchors_kept(RUNS["pair"]).data
    kept = (ELASTIC.owner == np.arange(len(ELASTIC.pieces)))[:, 0]
    assert np.array_equal(bars_image.y, kept[:, ELASTIC.is_image].sum(1))
    assert np.array_equal(bars_text.y, kept[:, ~ELASTIC.is_image].sum(1))


def test_a_side_that_keeps_everything_has_no_bars_of_anchors_unless_all_do():
    titles = [note.text for note in plots.anchors_kept(RUNS["pair"]).layout.annotations]
    assert titles == ["Elastic cache: image", "Elastic cache: text"]
    assert len(plots.anchors_kept(run_of("full", (FULL, FULL))).data) == 4


def test_figures_name_a_method_as_the_page_does():
    for name in ("Who holds each token", "Group sizes"):
        about = plots.figures(RUNS["pair"])[name].layout.title.subtitle.text
        assert "Elastic cache" in about and "elastic" not in about


@pytest.mark.parametrize("trace", [ELASTIC, LARGE])
def test_importance_is_the_mean_over_layers_beside_how_many_queries_could_see(trace):
    figure = plots.importance(trace)
    mean = trace.score.mean(0)
    assert np.allclose(drawn(figure, "attention received, mean of layers").y, mean)
    assert np.allclose(drawn(figure, "the same per query that could see it").y, mean / trace.visible)
    visible = drawn(figure, "queries that could see it (right)")
    assert np.array_equal(visible.y, np.arange(len(trace.pieces), 0, -1)) and visible.yaxis == "y2"


def test_both_axes_span_equally_many_decades_so_that_slopes_compare():
    layout = plots.importance(LARGE).layout
    assert np.diff(layout.yaxis.range) == pytest.approx(np.diff(layout.yaxis2.range))
    assert layout.yaxis.type == layout.yaxis2.type == "log" and layout.yaxis2.tickmode == "linear"
    lift = 10 ** (layout.yaxis2.range[0] - layout.yaxis.range[0])
    assert lift == pytest.approx(LARGE.visible.sum() / LARGE.score.mean(0).sum(), rel=1e-4)


def test_the_band_goes_from_quartile_to_quartile():
    band = drawn(plots.importance(ELASTIC), "middle half of the layers")
    tokens = len(ELASTIC.pieces)
    low, high = np.quantile(ELASTIC.score, (0.25, 0.75), axis=0)
    assert np.allclose(band.y[:tokens], low) and np.allclose(band.y[tokens:-1], high[::-1])
    assert np.array_equal(band.x[:-1], [*range(1, tokens + 1), *range(tokens, 0, -1)])


def test_tokens_without_a_score_leave_gaps():
    score = ELASTIC.score.copy()
    score[:, [7, 8, 10]] = np.nan
    score[1, 3] = np.nan  # still has a mean over the other layers
    figure = plots.importance(replace(ELASTIC, score=score))
    line = drawn(figure, "attention received, mean of layers")
    assert np.flatnonzero(np.isnan(line.y)).tolist() == [7, 8, 10]
    assert line.y[3] == pytest.approx(score[[0, 2], 3].mean())
    assert "markers" in line.mode  # token 9 stands alone between two gaps
    band = drawn(figure, "middle half of the layers")
    assert np.isnan(band.x).sum() == 3 and not {8, 9, 11} & set(band.x)


@pytest.mark.parametrize("trace", [FULL, ELASTIC, HEADS, LARGE])
def test_group_sizes_are_counted_over_all_layers_and_heads(trace):
    figure = plots.group_sizes(trace)
    alone, merged, cells = figure.data
    sizes = [
        [np.sum(head == token) for head in layer for token in np.flatnonzero(head == np.arange(len(head)))]
        for layer in trace.owner
    ]
    bounds = [[int(end) for end in label.split("–")] for label in cells.x]
    expected = np.array([[sum(b[0] <= size <= b[-1] for size in layer) for b in bounds] for layer in sizes])
    assert np.array_equal(cells.customdata, expected)
    assert np.array_equal([*alone.y, *merged.y], expected.sum(0))
    assert expected.sum() == sum(len(layer) for layer in sizes)  # no size falls between the bins
    assert np.array_equal(np.isnan(cells.z), expected == 0)
    assert np.allclose(10 ** cells.z[expected > 0], expected[expected > 0])
    assert alone.x == ("1",) and merged.x == cells.x[1:]


def test_budgets_show_slots_and_the_limit_in_slots():
    figure = plots.budgets(RUNS["pair"])
    for side, title in zip(PAIR, ("Full cache", "Elastic cache"), strict=True):
        assert np.array_equal(drawn(figure, title).y, side.prompt_slots)
        assert np.array_equal(drawn(figure, f"{title}: after 9").y, side.slots[-1])
        assert np.allclose(drawn(figure, f"{title}: aim").y, side.options["keep"] * len(side.pieces), atol=0.1)
    assert not any("after" in trace.name for trace in plots.budgets(RUNS["not begun"]).data)


def test_slots_of_thinner_keys_are_told_apart_and_have_no_aim_in_slots():
    lines = {trace.name: trace for trace in plots.budgets(RUNS["thin"]).data}
    assert "Full cache: aim" in lines and "Think cache: aim" not in lines and "Think cache" not in lines
    assert np.array_equal(lines["Think cache: smaller slots, keys with fewer channels"].y, THIN.prompt_slots)


@pytest.mark.parametrize("trace, says", [(HEADS, True), (THIN, True), (ELASTIC, False)])
def test_group_sizes_say_where_nothing_is_merged(trace, says):
    assert ("nothing is merged" in plots.group_sizes(trace).layout.title.subtitle.text) == says


def differing(first, second, step):
    ids = second.answer_ids.copy()
    ids[step:] += 50
    judged = np.arange(second.steps) <= step
    probability = np.where(judged, -0.6, np.nan).astype(np.float32)
    return run_of(
        "differ",
        [first, replace(second, answer_ids=ids, reference_logprob=probability, divergence=-probability)],
        titles=["A", "B"],
    )


def test_divergence_ends_where_the_texts_part_and_marks_it():
    figure = plots.divergence(differing(FULL, ELASTIC, 3))
    nats, other, first = figure.data
    assert np.allclose(nats.y, [0.6] * 4) and nats.yaxis == "y"
    assert np.allclose(other.y, np.exp(-0.6)) and np.allclose(first.y, np.exp(FULL.logprob[:4]))
    assert len(other.y) == len(first.y) == 4 and other.yaxis == first.yaxis == "y2"
    assert first.text == ("The", "picture", "shows", "a")
    assert {(shape.x0, shape.x1) for shape in figure.layout.shapes} == {(4, 4)}  # the fourth token


def test_a_side_that_is_merely_behind_does_not_differ():
    assert not plots.divergence(run_of("behind", [cut(FULL, 4), cut(ELASTIC, 3)])).layout.shapes
    ended = [replace(FULL, finish="end"), replace(cut(ELASTIC, 3), finish="end")]
    assert {shape.x0 for shape in plots.divergence(run_of("ended", ended)).layout.shapes} == {4}


def test_one_side_alone_has_its_own_probabilities():
    (line,) = plots.divergence(RUNS["one side"]).data
    assert np.allclose(line.y, np.exp(ELASTIC.logprob))


def test_colours_mean_what_a_side_is_and_never_stand_alone():
    sides = (ELASTIC, FULL)  # the other way round
    elastic, full = (trace for trace in plots.budgets(run_of("r", sides)).data if trace.type == "bar")
    assert (full.marker.color, full.marker.pattern.shape) == ("#D55E00", None)
    assert (elastic.marker.color, elastic.marker.pattern.shape) == ("#0072B2", "/")
    both = [trace.line for trace in plots.divergence(run_of("r", (ELASTIC, HEADS))).data]
    assert len({(line.color, line.dash) for line in both}) == 2


def test_nothing_in_a_figure_is_read_as_markup():
    bad = [
        replace(
            side, policy=NASTY, pieces=[*side.pieces[:-1], "<img src=x onerror=hurt()>"], answer_pieces=["<b>&"] * 9
        )
        for side in PAIR
    ]
    for title, figure in plots.figures(run_of("bad", bad, titles=[NASTY, NASTY])).items():
        text = json.dumps(json.loads(figure.to_json()), ensure_ascii=False)
        assert set(re.findall(r"<[^>]*>", text)) <= {"<br>", "<extra>", "</extra>"}, title
    cells = plots.owners(bad[1]).data[0]
    assert cells.x[-1] == "26 &lt;img src=x oner…"


def test_figures_of_a_large_model_stay_small():
    side = make(5, grid=26, layers=32)  # 686 tokens
    many = run_of("many", [make(4, grid=26, layers=32, policy="full"), side])
    sizes = {
        f"{number} {title}": len(figure.to_json())
        for number in (0, 1)
        for title, figure in plots.figures(many, number).items()
    }
    assert max(sizes.values()) < 300_000, sizes


def test_all_merged_is_no_larger_than_half_merged():
    owner = np.zeros((32, 1, 686), np.int32)
    owner[:] = np.arange(686) // 60 * 60
    side = replace(make(5, grid=26, layers=32), owner=owner)
    assert len(plots.owners(side).to_json()) < 300_000


def test_the_run_made_by_a_model_draws_as_well(tiny, picture):
    from elastic.policies.elastic import Elastic
    from elastic.policies.full import Full
    from elastic.session import Comparison

    talk = Comparison(tiny, picture, [Full(), Elastic(keep=0.3, distance=3)])
    for question in ("What is this?", "And what else?"):
        for _ in talk.ask(question, 5):
            pass
    run = talk.record()
    shown = plots.figures(run)
    assert len(shown) == 6 and "earlier turns" in shown["Importance and causal bias"].to_json()
    slots = drawn(plots.budgets(run), run.titles[1])
    assert np.array_equal(slots.y, run.sides[1].prompt_slots)
    aim = drawn(plots.budgets(run), f"{run.titles[1]}: aim").y[0]
    read = len(run.sides[1].pieces)
    assert aim == talk.policies[1].limit(read, read)


def test_where_numbers_take_fewer_bits_the_plot_of_slots_says_so_and_draws_no_aim():
    """The aim is one of bytes: of slots that take a fifth of them it would be five times the tokens that there are."""
    coded = replace(ELASTIC, prompt_bytes=ELASTIC.prompt_bytes // 5)
    names = [line.name for line in plots.budgets(run_of("coded", (FULL, coded))).data]
    assert "Elastic cache: smaller slots, numbers in fewer bits" in names and "Elastic cache: aim" not in names
    assert "Elastic cache: aim" in [line.name for line in plots.budgets(RUNS["pair"]).data]

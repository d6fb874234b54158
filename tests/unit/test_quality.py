"""Quality against memory: every number of an evaluation is drawn where it belongs, and can be told from the others."""

import json
import math
import re

import numpy as np
import pytest

from tests.report_rows import FULL_BYTES, KEEPS, LABELS, MEASURES, QUALITY, row, rows
from viz import quality as drawing
from viz.measures import in_bytes
from viz.quality import AGAINST, STYLES, styles

ROWS = rows()
NASTY = '<img src=x onerror="hurt()"><b>&amp;'


def quality(rows, name, *against):
    """The curves of a measure by its name."""
    return drawing.quality(rows, MEASURES[name], *against)


def one_picture(rows):
    """The points of one question, with the measures as an evaluation describes them."""
    return drawing.one_picture(rows, MEASURES)


def line(figure, label):
    """A method's line; its band has the same name."""
    return next(trace for trace in figure.data if trace.name == label and trace.fill is None)


def points(figure, label):
    """Where a method's markers are."""
    trace = line(figure, label)
    return {(x, y) for x, y, size in zip(trace.x, trace.y, trace.marker.size, strict=True) if size}


PAIRS = [*((measure, "share_peak") for measure in QUALITY), *(("exact", against) for against in AGAINST)]


@pytest.mark.parametrize("measure, against", PAIRS)
def test_every_row_is_drawn_at_its_own_place(measure, against):
    figure = quality(ROWS, measure, against)
    for label in LABELS:
        # Nothing at all has no place on a logarithmic axis.
        expected = {(r[against], r[measure]) for r in ROWS if r["policy"] == label and r[measure] > 0}
        assert expected <= points(figure, label) and len(points(figure, label)) == (1 if label == "full" else 6)


def test_the_full_cache_is_a_line_across_with_one_marker():
    trace = line(quality(ROWS, "exact"), "full")
    assert trace.y == (0.94, 0.94) and trace.marker.size[0] == 0
    assert trace.x == (min(r["share_peak"] for r in ROWS), 1.0)


def test_without_the_full_cache_the_others_are_drawn():
    assert len(points(quality([r for r in ROWS if r["policy"] == "h2o"], "exact"), "h2o")) == 6


def test_on_a_logarithmic_axis_zero_is_marked_as_zero_below_all_others():
    figure = quality(ROWS, "kl")
    axis, zero = figure.layout.yaxis, line(figure, "full").y[-1]
    assert axis.type == "log" and dict(zip(axis.tickvals, axis.ticktext, strict=True))[zero] == "0"
    assert 0 < zero < min(r["kl"] for r in ROWS if r["kl"] > 0)
    assert re.search(r"(?<![\d.])0 nats", line(figure, "full").hovertext[0])
    assert quality([r | {"kl": r["keep"]} for r in ROWS], "kl").layout.yaxis.type != "log"
    texts = quality(ROWS, "perplexity").layout.yaxis.ticktext
    assert "0" not in texts and "2" in texts and "100" in texts


@pytest.mark.parametrize("label", [*LABELS[1:4], "h2o", "random"])
def test_intervals_are_bands_for_the_elastic_family_and_bars_for_the_others(label):
    figure = quality(ROWS, "exact")
    own = sorted((r for r in ROWS if r["policy"] == label), key=lambda r: r["share_peak"])
    low, high = np.transpose([r["exact_ci"] for r in own])
    bands = [trace for trace in figure.data if trace.name == label and trace.fill == "toself"]
    if label.startswith("elastic"):
        assert np.allclose(bands[0].y, [*high, *low[::-1]]) and bands[0].legendgroup == line(figure, label).legendgroup
    else:
        trace = line(figure, label)
        assert not bands
        assert np.allclose(np.add(trace.y, trace.error_y.array), high)
        assert np.allclose(np.subtract(trace.y, trace.error_y.arrayminus), low)


def test_hovering_tells_method_budget_value_interval_bytes_and_samples():
    found = next(r for r in ROWS if r["policy"] == "h2o" and r["keep"] == 0.2)
    trace = line(quality(ROWS, "exact"), "h2o")
    told = trace.hovertext[trace.y.index(found["exact"])]
    low, high = found["exact_ci"]
    assert "h2o, keep 20%" in told and f"{found['exact']:.1%} [{100 * low:.1f}, {100 * high:.1f}]" in told
    assert in_bytes(found["bytes_peak"]) in told and f"{found['share_peak']:.1%} of the full" in told
    assert "600 samples" in told


def test_what_is_missing_is_left_out_and_nothing_says_so():
    holes = [row("h2o", keep, 0.5) for keep in KEEPS]
    holes[0]["exact"], holes[1]["exact"], holes[2]["share_peak"], holes[3]["exact_ci"] = None, math.nan, None, None
    assert points(quality(holes, "exact"), "h2o") == {(r["share_peak"], r["exact"]) for r in holes[3:]}
    for empty in ([], [dict.fromkeys(r, None) | {"policy": r["policy"], "keep": r["keep"]} for r in ROWS]):
        figure = quality(empty, "kl")
        assert [note.text for note in figure.layout.annotations] == ["not measured"]
        figure.to_json()


def test_a_method_is_the_same_line_whatever_is_measured():
    without = [r | {"exact": None} if r["policy"] in ("full", "h2o") else r for r in ROWS]
    names = [[trace.name for trace in quality(without, measure).data] for measure in ("exact", "kl")]
    assert names[0] == names[1]


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return np.dot(parts, (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("ground", ["#ffffff", "#0f0f11"])
def test_every_method_is_seen_on_a_white_and_on_a_dark_page(ground):
    for label, style in STYLES.items():
        bright, dim = sorted((luminance(style.colour), luminance(ground)), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 3, label


def test_no_two_methods_look_alike_and_none_depends_on_the_others():
    assert set(STYLES) == set(LABELS)
    assert len({style.symbol for style in STYLES.values()}) == len(STYLES)
    assert len({(style.colour, style.dash) for style in STYLES.values()}) == len(STYLES)
    assert all(styles([label])[label] == styles(LABELS)[label] for label in LABELS)


def test_unknown_names_have_styles_too_and_variants_the_colour_of_their_method():
    names = ["elastic:protect_text=false", "elastic:distance=3", "new", "newer", *LABELS]
    looks = styles(names)
    assert list(looks) == names and looks == styles(names[::-1])
    assert len({(style.dash, style.symbol) for style in looks.values()}) == len(names)
    assert looks[names[0]].colour == looks[names[1]].colour == STYLES["elastic"].colour


def test_nothing_in_a_figure_is_read_as_markup():
    bad = [r | {"policy": NASTY} for r in ROWS if r["policy"] == "h2o"]
    for figure in (quality(bad, "exact"), one_picture([asked(NASTY, 0.5, 1000)])):
        text = json.dumps(json.loads(figure.to_json()), ensure_ascii=False)
        assert set(re.findall(r"<[^>]*>", text)) <= {"<br>", "<b>", "</b>", "<extra>", "</extra>"}


def asked(label, agreement, held, keep=0.2):
    scores = {"agreement": agreement, "kl": 0.1, "rouge_l": 0.8}
    return {"policy": label, "keep": keep, "bytes_peak": held, "bytes_full": FULL_BYTES, **scores}


def test_one_pictures_runs_are_drawn_where_they_belong():
    runs = [asked("full", 1.0, FULL_BYTES, 1.0), asked("h2o", 0.5, 380_000), asked("elastic", 0.75, 390_000)]
    figure = one_picture([*runs, asked("corm", None, 1000), asked("think", 0.5, None)])
    drawn = {trace.name: (trace.x, trace.y) for trace in figure.data}
    assert drawn == {
        "full": ((FULL_BYTES,), (1.0,)),
        "h2o, keep 20%": ((380_000,), (0.5,)),
        "elastic, keep 20%": ((390_000,), (0.75,)),
    }
    assert {note.text: (note.x, note.y) for note in figure.layout.annotations} == {
        name: (x[0], y[0]) for name, (x, y) in drawn.items()
    }
    told = next(trace for trace in figure.data if trace.name.startswith("elastic")).hovertext[0]
    assert {"agreement 75.0%", "ROUGE-L 0.800", "KL 0.1 nats"} <= set(told.split("<br>"))
    assert in_bytes(390_000) in told
    assert dict(zip(figure.layout.xaxis.tickvals, figure.layout.xaxis.ticktext, strict=True))[FULL_BYTES].endswith(
        "<br>100%"
    )


@pytest.mark.parametrize("agreement", [0.0, 0.5, 1.0])
def test_names_of_points_that_coincide_are_apart_and_inside(agreement):
    figure = one_picture([asked(label, agreement, 400_000) for label in LABELS[1:9]])
    heights = sorted(note.y - note.ay / 230 for note in figure.layout.annotations)
    assert np.diff(heights).min() > 0.069
    low, high = figure.layout.yaxis.range
    assert low < heights[0] and heights[-1] < high
    assert all(note.y == agreement for note in figure.layout.annotations)


def test_a_picture_nobody_asked_about_says_so():
    assert one_picture([]).layout.annotations[0].text == "nothing to compare yet"


def test_bytes_are_written_as_on_the_page():
    counts = (0, 200, 300, 93_200, 500_000, 1_843_200, 3 * 2**30)
    assert [in_bytes(count) for count in counts] == [
        *("0 B", "200 B", "0.29 KiB", "91.0 KiB", "0.48 MiB", "1.76 MiB", "3.00 GiB")
    ]


def test_many_points_of_one_picture_are_named_in_a_legend_once_per_method():
    rows = [
        {"policy": policy, "keep": keep, "bytes_peak": 100 * keep, "bytes_full": 100, "agreement": 1.0, "kl": 0.0}
        for policy in ("elastic", "h2o", "snapkv")
        for keep in (0.5, 0.2, 0.1)
    ]
    figure, few = one_picture(rows), one_picture(rows[:6])
    shown = [trace.name for trace in figure.data if trace.showlegend]
    assert figure.layout.showlegend and sorted(shown) == ["elastic", "h2o", "snapkv"] and not figure.layout.annotations
    assert not few.layout.showlegend and len(few.layout.annotations) == 6

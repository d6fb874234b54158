"""The benchmark of reading a part: what it gathers is what the methods read, and what it says follows from its rows."""

import json

import pytest
import torch

from benchmarks import reading
from benchmarks.reading import AttentionShape, HeldLayer, ReadingRow, pays_from
from elastic.cache.attention import one_query_attention

TINY = AttentionShape("tiny", layers=4, heads=2, dim=8, timed=2)


@pytest.mark.parametrize("method, index", [("quest", "pages"), ("pqcache", "codes")])
def test_what_is_gathered_is_what_the_method_reads(method, index):
    layer, query = HeldLayer.of(TINY, 320, 0.2, "cpu"), torch.randn(1, 2, 1, 8)
    found = getattr(layer, index)
    read = found.reads(query, 8**-0.5, 320)
    bias = torch.zeros(2, 320).masked_fill(~read, -torch.inf)
    expected, _ = one_query_attention(query, layer.keys, layer.values, 8**-0.5, bias)
    torch.testing.assert_close(reading.METHODS[method](layer, query), expected, atol=1e-5, rtol=1e-5)
    assert layer.bytes_read(method) == int(read[0].sum()) * 2 * 2 * 8 * 4 + found.bytes_read(320)
    assert layer.bytes_read("full") == 320 * 2 * 2 * 8 * 4 > layer.bytes_read(method)


def test_a_method_pays_from_the_length_after_which_it_never_loses_again():
    def rows(*medians):
        made = [("quest", tokens, median) for tokens, median in zip((320, 640, 1280), medians, strict=True)]
        made += [("full", tokens, 1.0) for tokens in (320, 640, 1280)]
        return [ReadingRow("7B", tokens, method, 0.2, median, 0, 0, 1, None) for method, tokens, median in made]

    assert pays_from(rows(2.0, 0.9, 0.5), "7B", "quest") == 640
    assert pays_from(rows(0.5, 1.0, 0.5), "7B", "quest") == 1280, "faster once is luck"
    assert pays_from(rows(0.5, 0.5, 2.0), "7B", "quest") is None
    assert pays_from(rows(0.5, None, 0.5), "7B", "quest") == 1280, "where memory ran out nothing is known"


def test_reading_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reading, "ATTENTIONS", (TINY,))
    out = tmp_path / "reading.json"
    reading.main(["--rounds", "1", "--tokens", "320,640", "--keep", "0.25", "--out", str(out)])
    rows = json.loads(out.read_text())["rows"]
    assert [(row["tokens"], row["method"]) for row in rows] == [
        (tokens, method) for tokens in (320, 640) for method in ("full", "quest", "pqcache")
    ]
    assert [row["bytes_read"] for row in rows if row["method"] == "full"] == [320 * 4 * 128, 640 * 4 * 128]
    assert all(row["median_s"] > 0 and (row["index_s"] is None) == (row["method"] == "full") for row in rows)
    said = capsys.readouterr().out
    assert "tiny, 640 tokens" in said and "pqcache is faster than reading everything, shape of tiny: " in said


@pytest.mark.parametrize(
    "wrong, says",
    [
        (["--tokens", "a"], "Give whole numbers, such as 320,640"),
        (["--tokens", "330"], "330 tokens at keep 0.2 need no index, or fill no pages"),
        (["--tokens", "64"], "need no index"),
        (["--keep", "1"], "need no index"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(wrong, says, capsys):
    with pytest.raises(SystemExit, match="2"):
        reading.main(wrong)
    assert says in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        reading.main(["--help"])
    assert "gathers nothing" in capsys.readouterr().out.replace("\n", " ")

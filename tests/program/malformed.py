"""Requests that are wrong in some way, made from what the page says of itself; for the tests of what answers them."""

import json
import math

from hypothesis import strategies as st

PICTURE = {"path": "{upload}", "meta": {"_type": "gradio.FileData"}}
# What no text of ours says: other people's programs, their errors, and this machine's folders.
JARGON = (
    *(
        "Traceback",
        'File "',
        "site-packages",
        "pydantic",
        "validation error",
        "gradio.",
        "<class",
        "NoneType",
        "0x7f",
    ),
    *("has no attribute", "unexpected keyword", "positional argument", "not subscriptable", "invalid literal"),
    *("KeyError", "TypeError", "ValueError", "IndexError", "AttributeError", "AssertionError", "RecursionError"),
    *("Internal Server Error", "InvalidPathError", "Value:", "is not in the list of choices"),
)
PLACES = (
    *("/dev/ptmx", "/dev/zero", "/dev/stdin", "/proc/self/environ", "/etc/passwd", "/", "", ".", "..", "{fifo}"),
    *(
        "{secret}",
        "{link}",
        "{upload}/../../../../../etc/passwd",
        "{folder}",
        "{upload}\0.png",
        "~/.ssh/id",
    ),
    *("http://127.0.0.1:{listener}/x.png", "https://example.org/x.png", "file:///etc/passwd", "ftp://127.0.0.1/x"),
    *("//127.0.0.1:{listener}/x.png", "HTTP://127.0.0.1:{listener}/", "/gradio_api/file={secret}", "x" * 5000),
    *(
        "data:,",
        "data:image/png;base64,",
        "data:image/png;base64,AAAA",
        "data:text/html;base64,PGI+",
        "data:;base64,@@",
    ),
    *("data:image/svg+xml;base64,PHN2Zy8+", "DATA:image/png;base64,AAAA", "gopher://127.0.0.1:{listener}/"),
)

texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", " ", "\0", "\ud800", "a" * 3000, "{{x}}", "<script>", "full", "../..", "NaN", "nan", "1e999"]),
    st.sampled_from(["x" * 30_000, "\u202e", "😀" * 500, "elastic,", ",,,", "0.5,,0.2", "-1", "'; --", "%s%n", "${1}"]),
)
numbers = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 1, 7, 10**18, -(10**18), 10**300, 2**31, 2**63, 2**64, 1e-300, 1e300, 0.5, 1.5, 99]),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.floats(),
)
files = st.one_of(
    st.fixed_dictionaries({"path": st.sampled_from(PLACES)}, optional={"meta": st.just(PICTURE["meta"])}),
    st.fixed_dictionaries({"url": st.sampled_from(PLACES)}, optional={"meta": st.just(PICTURE["meta"])}),
    st.fixed_dictionaries(
        {"path": st.sampled_from(PLACES), "url": st.sampled_from(PLACES), "meta": st.just(PICTURE["meta"])},
        optional={"is_stream": st.booleans(), "mime_type": texts, "size": numbers, "orig_name": texts},
    ),
    st.sampled_from(PLACES),
    st.just({"path": "{upload}", "meta": None}),
    st.just({"path": ["{upload}"], "meta": PICTURE["meta"]}),
    st.just([PICTURE, PICTURE]),
)
junk = st.one_of(
    *(st.none(), st.booleans(), numbers, texts, files),
    st.recursive(
        st.one_of(st.none(), numbers, texts, files),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ),
    st.integers(1, 4000).map(lambda depth: json.loads("[" * min(depth, 900) + "]" * min(depth, 900))),
)
names = st.one_of(
    st.sampled_from(["abc123", "", "a" * 65, "../x", "a b", "\0", "%00", "é"]),
    st.sampled_from(["visitor1", "visitor2"]),  # few: the server keeps what each of them sees
)


def spoiled(data, draw):
    """Values of which at least one is replaced, left out, or one too many."""
    data = list(data)
    for _ in range(draw(st.integers(1, 3))):
        how = draw(st.integers(0, 9))
        if how < 8 and data:
            data[draw(st.integers(0, len(data) - 1))] = draw(junk)
        elif how == 8 and data:
            data.pop()
        else:
            data.append(draw(junk))
    return data


@st.composite
def requests(draw, endpoints, functions, components):
    """(method, address, body, headers); a body is bytes, or a value that is sent as JSON.

    `endpoints` are names with values that are right, `functions` such values by number, `components` numbers of
    components whose scripts ask the server.
    """
    kind = draw(st.integers(0, 13))
    session = draw(names)
    if kind < 4:
        name = draw(st.sampled_from(sorted(endpoints)))
        data = spoiled(endpoints[name], draw)
        way = draw(st.sampled_from(["call", "call", "queue/join", "run", "api", "call/v2"]))
        if way == "queue/join":
            body = {"data": data, "fn_index": draw(st.just(functions[name]) | numbers), "session_hash": session}
            return "POST", "/gradio_api/queue/join", body, {}
        if way == "call/v2":
            body = dict(zip(["image", "question", "keep", "policies", draw(texts)], data, strict=False))
            return "POST", f"/gradio_api/call/v2/{name}", body, {}
        return "POST", f"/gradio_api/{way}/{name}", {"data": data} | draw(extra()), {}
    if kind < 8:
        number = draw(st.sampled_from(sorted(functions["by number"])))
        body = {"data": spoiled(functions["by number"][number], draw), "fn_index": number, "session_hash": session}
        way = draw(st.sampled_from(["queue/join", "run/predict", "api/predict"]))
        return "POST", f"/gradio_api/{way}", body | draw(extra()), {}
    if kind < 10:
        body = {
            "component_id": draw(st.sampled_from(components) | numbers),
            "fn_name": draw(
                st.sampled_from(["fetch_steps", "fetch_layer", "save", "save_lesson", "__class__", "load"])
            ),
            "session_hash": session,
            "data": draw(st.lists(junk, max_size=4) | junk),
        }
        return "POST", "/gradio_api/component_server", body, {}
    if kind == 10:
        where = draw(
            st.sampled_from(["queue/join", "call/compare", "component_server", "cancel", "reset", "run/predict"])
        )
        body = draw(
            st.sampled_from([b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"data":' * 50_000, b"NaN"])
            | st.binary(max_size=50)
            | junk
        )
        kinds = ["application/json", "text/plain", "multipart/form-data", "multipart/form-data; boundary=x", ""]
        return "POST", f"/gradio_api/{where}", body, {"content-type": draw(st.sampled_from(kinds))}
    if kind == 11:
        place = draw(st.sampled_from(PLACES))
        kind = draw(st.sampled_from(["file=", "file/", "proxy=", "stream/", "custom_component/"]))
        return draw(st.sampled_from(["GET", "HEAD"])), f"/gradio_api/{kind}{place}", None, draw(heads())
    if kind == 12:
        return "GET", draw(addresses()), None, draw(heads())
    name = draw(st.sampled_from(["x.png", "", "../../x.png", "a" * 400, "\0", "x\r\ny: z", "é.png"]))
    file = draw(st.sampled_from(['; filename="{}"', '; filename="{}"', "; filename*=utf-8''%ff{}", ""])).format(name)
    part = f'--b\r\nContent-Disposition: form-data; name="files"{file}\r\n\r\n'.encode()
    ends = draw(st.sampled_from([b"\r\n--b--\r\n", b"", b"\r\n--c--"]))
    marks = ["", "; boundary=b", "; boundary=b", "; boundary=" + "b" * 999, "; charset=x; boundary=b", "; boundary="]
    kind = draw(st.sampled_from(["text/plain", *(f"multipart/form-data{mark}" for mark in marks)]))
    return "POST", "/gradio_api/upload", part + draw(st.binary(max_size=40)) + ends, {"content-type": kind}


def extra():
    """Other parts of a call."""
    return st.fixed_dictionaries(
        {},
        optional={"event_data": junk, "trigger_id": numbers, "event_id": texts, "batched": junk, "session_hash": names},
    )


def heads():
    """Headers that a server builds answers from."""
    return st.fixed_dictionaries(
        {},
        optional={
            "range": st.sampled_from(["bytes=0-1-2", "bytes=a-b", "bytes=5-1", "bytes=0-99999999999"]),
            "x-forwarded-host": st.sampled_from(
                ["[", "a b", "evil.example/x?", "a" * 400, "[::", "a:b:c", "999.1.1.1", "xn--9", "a..b", ","]
            ),
            "x-forwarded-proto": st.sampled_from(["javascript", ",", "x" * 100]),
            "x-gradio-server": st.sampled_from(["http://a:b:c/", "http://[/", "//", "javascript:x"]),
            "accept-language": st.sampled_from(["", "xx;q=a"]),
        },
    )


def addresses():
    """Addresses of Gradio's interface, and others, with odd parameters."""
    known = [
        *(
            "/",
            "/config",
            "/gradio_api/info",
            "/gradio_api/openapi.json",
            "/theme.css",
            "/assets/../app.py",
            "/static/",
        ),
        *("/gradio_api/queue/data", "/gradio_api/queue/status", "/gradio_api/deep_link", "/gradio_api/runs"),
        *("/gradio_api/call/compare/abc", "/gradio_api/heartbeat/" + "a" * 80, "/gradio_api/dev/reload", "/app.py"),
        *("/gradio_api/vibe-code", "/gradio_api/run-history/records", "/gradio_api/process_recording", "/monitoring"),
        *("/gradio_api/call/v2/compare/abc", "/login", "/gradio_api/mcp", "/svelte/x", "/pwa_icon/9999999"),
        "/gradio_api/stream/a/b/1/x.m3u8",
    ]
    parameters = ["page", "deep_link", "session_hash", "example", "q", "keep", "a", "a.sink", "lang", "lesson"]
    keys = st.sampled_from(parameters)
    query = st.dictionaries(keys, texts.map(lambda text: text[:2000]), max_size=3)
    return st.tuples(st.sampled_from(known), query)

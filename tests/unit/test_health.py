"""The check of a container: it asks the page of this machine, whatever else the container is told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from page import health


class Well(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"asked": self.path}).encode())

    def log_message(self, *args):
        pass


class Foreign(Well):
    def do_GET(self):
        self.wfile.write(b"no HTTP at all\r\n\r\n")


def asked(kind, monkeypatch):
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("GRADIO_SERVER_PORT", str(server.server_port))
        code = health.main()
        server.shutdown()
    return code


def test_the_page_is_asked_itself_where_the_container_is_told_of_a_proxy(monkeypatch, capsys):
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert asked(Well, monkeypatch) == 0 and "/health" in capsys.readouterr().out


def test_what_is_no_page_is_not_well(monkeypatch, capsys):
    assert asked(Foreign, monkeypatch) == 1 and "is not well" in capsys.readouterr().out


@pytest.mark.parametrize("port", ["none", "99999999"])
def test_a_port_that_is_none_is_not_well(monkeypatch, capsys, port):
    monkeypatch.setenv("GRADIO_SERVER_PORT", port)
    assert health.main() == 1 and f"The page on port {port} is not well" in capsys.readouterr().out

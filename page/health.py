"""`GET /health`: is the model ready, does the queue move, what is held?

`python -m page.health` asks the page of this machine, on the port that GRADIO_SERVER_PORT names as it does to the page,
and ends with 0 if all is well.
"""

import json
import os
import sys
import urllib.request
from http.client import HTTPException

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from page.line import Line
from page.model import Model
from page.store import Store


def health(status: str, line: Line | None, store: Store) -> tuple[int, dict]:
    """What is answered: 200 or 503, and how things are; `status` is ready, loading, failed, or none without a model."""
    queue = None if line is None else line.health()
    fine = status in ("ready", "none") and (queue is None or (queue["moving"] and not line.closed))
    body = {"status": "ok" if fine else "unavailable", "model": status, "queue": queue}
    body["seconds_since_last_step"] = queue and queue["seconds_since_last_step"]
    body["held"] = {"visitors": len(store.visits()), "things": len(store), "bytes": store.bytes, "limit": store.limit}
    return (200 if fine else 503), body


def route(model: Model | None, store: Store) -> Route:
    """The address of the server's health."""

    async def answer(request: Request) -> JSONResponse:
        code, body = health(*(("none", None) if model is None else (model.state, model.line)), store)
        return JSONResponse(body, code, headers={"Cache-Control": "no-store"})

    return Route("/health", answer)


def main() -> int:
    """Ask, print what is answered, and say by the exit code whether it is well."""
    port = os.environ.get("GRADIO_SERVER_PORT") or "7860"
    # A proxy that the container is told of leads elsewhere.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://127.0.0.1:{port}/health", timeout=8) as answer:
            print(json.load(answer))
        return 0
    except (OSError, ValueError, HTTPException) as error:  # also of what is no page at all
        print(f"The page on port {port} is not well: {str(error).strip() or type(error).__name__}")
        return 1


if __name__ == "__main__":
    sys.exit(main())

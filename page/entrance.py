"""The only way in over HTTP: which addresses there are, and what a request must be before Gradio sees it.

Values are looked at in `gate`, heads and bodies in `arriving`; what is said of one that is refused, in `answering`.
"""

import asyncio
import re
import traceback

import gradio as gr
from gradio.block_function import BlockFunction
from pydantic import BaseModel
from python_multipart.exceptions import FormParserError
from starlette.types import ASGIApp, Receive, Scope, Send

from page import gate, incoming
from page.answering import FAILED, NOT_HERE, Refusal, Response
from page.arriving import checked_file, checked_head, in_time, length_of, parameter, path_of, whole_body, with_body
from page.gate import Refused
from page.refusals import Refusals, RefusedCall
from page.scripted import Scripted

MAX_SMALL = 100_000
MAX_JSON = incoming.MAX_BYTES * 4 // 3 + MAX_SMALL  # a picture as a data URL, and the rest
MAX_HELD = 20 * MAX_JSON  # of all requests that are being read
ANSWER_SECONDS = 300.0  # that an answer may take which waits in no queue

QUEUED = "This call waits its turn: send it to /gradio_api/call/{} and fetch the answer from there."
NO_CALL = "There is no call of that name or number here. Reload the page; programs find the calls at /gradio_api/info."
NO_SESSION = "Nothing is going on under this number any more. Send the call again."
WHOSE = "The call does not say whose it is. Send it with a session_hash of letters and digits."
MOST_SIGNS = 40_000  # of those that part values: more take seconds to read
MANY = "The request holds more values than any call has. Send those of one call."
NO_FORM = "The upload cannot be read: send each file as a part named files that has a filename, as browsers do."
BUSY = "Too many large requests arrive at once. Send it again in a minute."
SLOW = f"The answer took longer than {ANSWER_SECONDS:g} s. Try again."

NAME = r"[A-Za-z0-9_-]{1,64}"
GET, POST = ("GET", "HEAD"), ("POST",)
API = "/gradio_api"
EVENTS = f"{API}/queue/data"  # where browsers listen
# All addresses: those of Gradio's that the page and programs use, and the program's own.
ROUTES = [
    (methods, re.compile(address, re.ASCII | re.DOTALL))
    for methods, address in (
        (GET, r"/|/config/?|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/pwa_icon(/\d{1,4})?|/health"),
        (GET, r"/(assets|static)/[\w./@-]{1,200}"),
        (GET, rf"{API}/(info/?|openapi\.json|app_id/?|startup-events|theme\.css|login_check/?|user/?|token/?)"),
        (GET, rf"{API}/(heartbeat/{NAME}|queue/data|queue/status|upload_progress|call/(v2/)?{NAME}/{NAME})"),
        (GET, rf"{API}/file=.{{1,1100}}"),
        (POST, rf"{API}/(queue/join|cancel|reset/?|component_server/?|upload)"),
        (POST, rf"{API}/(run|api|call|call/v2)/{NAME}/?"),
    )
]
IN_TIME = re.compile(rf"{API}/(run|api|component_server|upload_progress|upload)\b")  # not what a queue answers
AS_TYPES: dict[str, type[BaseModel]] = {
    "component_server": gate.Asked,
    "cancel": gate.Cancelled,
    "reset": gate.Finished,
}


class Entrance:
    """ASGI middleware around Gradio's server of that page."""

    def __init__(self, app: ASGIApp, page: "Page") -> None:
        self.app, self.page = app, page
        self.refusals = Refusals()
        self._held = 0  # bytes of requests that are being read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        path = path_of(scope)
        if path == "/health" and scope["method"] in GET:  # also what is not well is said in its own words
            await self.app(scope, receive, send)
            return
        response = Response(send, is_event=path.startswith((f"{API}/run/", f"{API}/api/")))
        try:
            async with asyncio.timeout(ANSWER_SECONDS if IN_TIME.match(path) else None):
                await self._pass(scope, receive, response, path)
        except Refusal as refusal:
            if path == EVENTS and refusal.status == 503:
                await response.refuse_events(refusal.sentence)
            else:
                await response.refuse(refusal.status, refusal.sentence)
        except Refused as error:
            await response.refuse(422, str(error))
        except TimeoutError:
            await response.refuse(504, SLOW)
        except Exception:  # whatever Gradio stumbles over stays at the server
            traceback.print_exc()
            await response.refuse(500, FAILED)

    async def _pass(self, scope: Scope, receive: Receive, response: Response, path: str) -> None:
        method, scope = scope["method"], checked_head(scope)
        if method != "OPTIONS":
            if not any(method in methods and route.fullmatch(path) for methods, route in ROUTES):
                raise Refusal(404, NOT_HERE)
            if path.startswith(f"{API}/file="):
                scope = checked_file(scope, path.removeprefix(f"{API}/file="))
            elif path == f"{API}/upload":
                length_of(scope, incoming.MAX_BYTES + MAX_SMALL)
                await self._upload(scope, in_time(receive), response)
                return
            elif path == EVENTS:
                if parameter(scope, "session_hash") not in self.page._queue.pending_messages_per_session:
                    await response.end_of_events(NO_SESSION)
                    return
                receive = response.while_open(receive)
            elif path.startswith(f"{API}/call/") and method in GET:
                self._check_waiting(path.rpartition("/")[2])
            elif method == "POST":
                try:
                    scope, receive = await self._checked(scope, receive, path)
                except RefusedCall as error:
                    await response.event(self.refusals.tell(self.page, error.session, str(error)))
                    return
        await self.app(scope, receive, response)

    async def _upload(self, scope: Scope, receive: Receive, response: Response) -> None:
        """Let Gradio take files.

        Raises:
            Refusal: if it takes the request for none: of one part that is no file, or of a mark too long to part them.
        """
        try:
            await self.app(scope, receive, response)
        except (FormParserError, TypeError) as error:
            raise Refusal(400, NO_FORM) from error

    def _check_waiting(self, event: str) -> None:
        """Raise Refusal unless something goes on, or has ended and was not fetched, under that number."""
        queue = self.page._queue
        waiting = list(queue.pending_event_ids_session.values())
        if event not in queue.event_ids_to_events and not any(event in events for events in waiting):
            raise Refusal(404, NO_SESSION)

    async def _checked(self, scope: Scope, receive: Receive, path: str) -> tuple[Scope, Receive]:
        """The request with a body that is written anew, of nothing but what was checked."""
        may_hold_picture = path.startswith((f"{API}/queue/join", f"{API}/call/"))
        content = await self._body(scope, receive, MAX_JSON if may_hold_picture else MAX_SMALL)
        what, _, name = path.removeprefix(f"{API}/").rstrip("/").rpartition("/")
        if name in AS_TYPES and not what:
            asked = gate.read(AS_TYPES[name], content)
            if isinstance(asked, gate.Asked):
                self._check_function(asked)
            return with_body(scope, receive, path, asked.model_dump())
        call = gate.read(gate.Call, content, only="data" if what == "call/v2" else None)
        # The second form of calls gives values by their names; they are in order from here on.
        path = f"{API}/call/{name}" if what == "call/v2" else path
        return with_body(scope, receive, path, await self._call(call, what, name))

    async def _body(self, scope: Scope, receive: Receive, most: int) -> bytes:
        kind = dict(scope["headers"]).get(b"content-type", b"application/json")
        if not kind.startswith(b"application/json"):
            raise Refusal(415, gate.NO_JSON)
        held = 0

        def took(size: int) -> None:
            """Count what has come, not what was announced: announcing costs nothing."""
            nonlocal held
            if length > MAX_SMALL and self._held + size > MAX_HELD:
                raise Refusal(503, BUSY)
            held += size
            self._held += size

        length = length_of(scope, most)
        try:
            content = await whole_body(receive, most, took)
        finally:
            self._held -= held
        if sum(content.count(sign) for sign in b",[{") > MOST_SIGNS:
            raise Refusal(413, MANY)
        return content

    def _check_function(self, asked: gate.Asked) -> None:
        block = self.page.blocks.get(asked.component_id)
        function = getattr(block, asked.fn_name, None) if isinstance(block, Scripted) else None
        if not getattr(function, "_is_server_fn", False):
            raise Refusal(404, NO_CALL)

    async def _call(self, call: gate.Call, what: str, name: str) -> dict:
        """A call with the types of its inputs."""
        function = self._function(call, None if what == "queue" else name)
        if what == "queue" and call.session_hash is None:
            raise Refused(WHOSE)
        if what in ("run", "api") and function.queue:
            raise Refused(QUEUED.format(function.api_name))
        try:
            blocks = [self._as_seen(call.session_hash, block) for block in function.inputs]
            has_file = any(isinstance(block, gr.Image | gr.File | Scripted) for block in blocks)
            # Aside: a picture in the call is decoded and written.
            if has_file:
                given = await incoming.aside(gate.values, function, blocks, call.data)
            else:
                given = gate.values(function, blocks, call.data)
        except Refused as error:
            if what == "queue":
                raise RefusedCall(str(error), call.session_hash) from error
            raise
        # What was written here is deleted with what was uploaded.
        self.page.upload_file_set.update(value["path"] for value in given if isinstance(value, dict))
        checked = {"data": given, "fn_index": function._id, "event_data": gate.event_value(call.event_data)}
        return call.model_dump() | checked

    def _function(self, call: gate.Call, name: str | None) -> BlockFunction:
        found = self.page.fns.get(call.fn_index) if call.fn_index is not None else None
        if call.fn_index is None and name is not None:
            found = next((each for each in self.page.fns.values() if each.api_name == name), None)
        if found is None or (found.fn is None and not found.cancels):
            raise Refusal(404, NO_CALL)
        return found

    def _as_seen(self, session: str | None, block: gr.blocks.Block) -> gr.blocks.Block:
        """An input as this visitor has it: what can be chosen changes."""
        held = self.page.state_holder.session_data.get(session) if session else None
        return held.blocks_config.blocks.get(block._id, block) if held else block


class Page(gr.Blocks):
    """Gradio's page, of which nobody is told more than a sentence when something in it fails."""

    def __enter__(self) -> "Page":
        """Begin with what is told how calls go."""
        page = super().__enter__()
        self.told = gr.Textbox(visible="hidden")
        return page

    def __exit__(self, *error: object) -> None:
        """Have the browser tell that one component how calls go, and not every one that any call has ever filled.

        Nothing here shows Gradio's progress. Gradio 6.31 looks for each component that it tells in the tree of all,
        from the top, at every message of every call: where a hundred settings had been filled once, that took the
        browser longer than all that the page draws.
        """
        for function in self.fns.values():
            if function.show_progress == "hidden":
                function.show_progress_on = [self.told]
        super().__exit__(*error)

    async def process_api(self, *args: object, **kwargs: object) -> dict:
        """Run a function; whatever it stumbles over is noted here.

        Raises:
            gr.Error: with a sentence.
        """
        try:
            return await super().process_api(*args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:  # also those of Gradio, which name classes and folders
            traceback.print_exc()
            raise gr.Error(FAILED, print_exception=False) from error

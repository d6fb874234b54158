"""From the command to the first words: `python -m benchmarks.start --out start.json`.

Starts `python app.py` as a visitor would, waits for the page and for the model, asks for a description through the
page's own API, and prints the seconds each took and the tokens per second of each side (medians over `--runs`).
"""

import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from gradio_client import Client, handle_file

from elastic import __version__
from elastic.command_line import Options, whole_number
from elastic.files import one_sentence, out_file, write

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "assets" / "scenes" / "scene-2022.png"


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_page(url: str, limit: float = 120) -> None:
    """Return once the page answers.

    Raises:
        TimeoutError: if it does not within `limit` seconds.
    """
    until = time.perf_counter() + limit
    while time.perf_counter() < until:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"The page did not answer within {limit:.0f} s.")


def measure(runs: int) -> dict[str, float]:
    """Medians in seconds, and tokens per second, by name."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    began = time.perf_counter()
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"}
    server = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        wait_for_page(url)
        page = time.perf_counter() - began
        client = Client(url, verbose=False)
        question = "Describe the image in detail.", "full", "elastic", 0.5, 128
        client.predict(handle_file(PICTURE), *question, api_name="/compare")
        first_answer = time.perf_counter() - began
        answers = [client.predict(handle_file(PICTURE), *question, api_name="/compare")[2] for _ in range(runs)]
    finally:
        server.terminate()
        server.wait()
    median = statistics.median
    return {
        "seconds from command to page": page,
        "seconds from command to both answers of a first question": first_answer,
        "seconds to first token, full": median(a["a"]["first_token_seconds"] for a in answers),
        "seconds to first token, elastic": median(a["b"]["first_token_seconds"] for a in answers),
        "tokens per second, full": median(1000 / a["a"]["ms_per_token"] for a in answers),
        "tokens per second, elastic": median(1000 / a["b"]["ms_per_token"] for a in answers),
        "elastic over full, time per token": median(a["b"]["ms_per_token"] / a["a"]["ms_per_token"] for a in answers),
    }


def main() -> None:
    """Print the table and write the JSON."""
    parser = Options(__doc__)
    parser.add_argument("--runs", type=whole_number(1), default=9, help="questions to take medians over")
    parser.add_argument("--quick", action="store_true", help="three questions only")
    parser.add_argument("--out", type=out_file, help="JSON file to write")
    args = parser.parse_args()
    figures = measure(3 if args.quick else args.runs)
    for name, value in figures.items():
        print(f"{name:<60}{value:8.2f}")
    if args.out:
        machine = {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "elastic": __version__,
        }
        with one_sentence():
            write(args.out, json.dumps({"machine": machine, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()

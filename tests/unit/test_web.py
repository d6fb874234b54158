"""The browser's half without a browser: Node runs what needs no page."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_what_needs_no_page_works_in_node():
    node = shutil.which("node")
    if node is None:
        message = "The scripts' tests need Node.js 18 or later: apt-get install nodejs"
        (pytest.fail if os.environ.get("REQUIRE_BROWSER") else pytest.skip)(message)
    files = sorted((ROOT / "tests" / "web").glob("*.test.js"))
    assert len(files) >= 10
    # All in one process: `node --test` starts one per file, which takes longer than what they do.
    code = "\n".join(f"await import({json.dumps(file.as_uri())});" for file in files)
    command = [node, "--input-type=module", "--eval", code]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search("^. pass [1-9]", ran.stdout, re.M), "none of them ran"

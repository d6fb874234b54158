"""The browser's half without a browser: `node --test` runs what needs no page."""

import os
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
    files = sorted(map(str, (ROOT / "tests" / "web").glob("*.test.js")))
    assert len(files) >= 10
    ran = subprocess.run([node, "--test", *files], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr

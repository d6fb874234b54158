"""axe-core in a page of a browser: which rules for pages that everybody can use are broken in it, and where."""

import os

import pytest

from tests.serving import ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"  # `npm ci` brings it
RUN = """async (excluded) => {
  const found = await axe.run({ exclude: excluded }, { resultTypes: ['violations'] });
  return found.violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)}`));
}"""


def violations(page, excluded=()):
    """What breaks a rule, each as the rule's name and the element; `excluded` are selectors of what is left out."""
    if not AXE.exists():
        message = "axe-core is missing: npm ci"
        pytest.fail(message) if os.environ.get("REQUIRE_BROWSER") else pytest.skip(message)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    return page.evaluate(RUN, list(excluded))

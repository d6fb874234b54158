"""Every text of the live view can be read: contrast of 4.5 to 1 or more, in light and dark (WCAG 2.2, 1.4.3)."""

import pytest

from tests.browser.view_page import page_address, page_opener, point  # noqa: F401 (fixtures)

# Per visible text its contrast with what is behind it; colours are read from a pixel, whatever way they are written.
CONTRASTS = """
() => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const pixel = pen.getImageData(0, 0, 1, 1).data;
    return [...pixel.slice(0, 3), pixel[3] / 255];
  };
  const over = (front, back) => [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3]));
  const linear = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => sum + w * linear(colour[i] / 255), 0);
  const ancestors = (node) => (node ? [node, ...ancestors(node.parentElement)] : []);
  const found = [];
  const texts = document.createTreeWalker(document.querySelector('.trace-view'), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim();
    const node = texts.currentNode.parentElement;
    const box = node.getBoundingClientRect();
    if (!text || !box.width || !box.height || node.closest('[disabled], option, .tv-aloud')) continue;
    const behind = ancestors(node).map((each) => rgba(getComputedStyle(each).backgroundColor)).filter((c) => c[3] > 0);
    const ground = behind.reverse().reduce((back, colour) => over(colour, back), [255, 255, 255]);
    const style = getComputedStyle(node);
    const opacity = ancestors(node).reduce((product, each) => product * getComputedStyle(each).opacity, 1);
    const ink = over(rgba(node instanceof SVGElement ? style.fill : style.color), ground);
    const [a, b] = [luminance(over([...ink, opacity], ground)), luminance(ground)];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.className.baseVal ?? node.className, text]);
  }
  return found;
}
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["pair", "heads", "differ"])
def test_every_text_stands_out_from_its_ground(show, name, theme):
    page = show(name, color_scheme=theme)
    page.evaluate("document.querySelectorAll('.trace-view details').forEach((each) => { each.open = true; })")
    for step in (0, 3):
        page.locator(".tv-step").evaluate("(b, v) => { b.value = v; b.dispatchEvent(new Event('input')) }", step)
        page.wait_for_function("step => document.querySelector('.trace-view').dataset.step === String(step)", arg=step)
        point(page, "b", 5)  # lights up what looks at it
        page.wait_for_selector(".tv-token.tv-looks")
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 40
        assert [entry for entry in contrasts if entry[0] < 4.5] == []

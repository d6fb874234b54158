"""How well texts can be told from what is behind them (WCAG 2.2, 1.4.3: 4.5 to 1 or more), in a page."""

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

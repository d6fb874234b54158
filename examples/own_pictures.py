"""Two methods judged on one's own pictures: which answers more of one's own questions right, at which budget.

    python -m examples.own_pictures

From the project's folder, in half a minute. The questions are those of `own_pictures.json`: a list of pictures (files
in the folder given as `--images`), questions and answers; an answer is right if it is the given one to the letter.
First comes the table of `python -m elastic.evaluate`, then a line for each method and budget, made from its results;
beside these lie the same as CSV, a report as HTML, and every single answer. At 15 % of the cache, and at a tenth, one
of the two methods still reads both numbers, and the other neither.
"""

import json
import subprocess
import sys
from pathlib import Path

out = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/own-pictures/results.json")
options = {
    "--data": "examples/own_pictures.json",
    "--images": "assets/scenes",
    "--policies": "full,snapkv,elastic-plus",
    "--keep": "0.3,0.15,0.1",
    "--out": str(out),
}
words = [word for option in options.items() for word in option]
subprocess.run([sys.executable, "-m", "elastic.evaluate", *words], check=True)
print()
for row in json.loads(out.read_text(encoding="utf-8"))["rows"]:
    print(f"{row['policy']} at {row['keep']:.0%}: {row['exact']:.0%} of the answers are right")

"""Draw the example scenes of the page into assets/scenes: `python -m training.draw_examples`."""

import json
from pathlib import Path

from scenes.scene import random_scene, render

SCENES = Path(__file__).parent.parent / "assets" / "scenes"
EXAMPLES = {  # seed: question; the first shows at once what a smaller cache loses
    2066: "How many cars are there?",
    2029: "What is the number?",
    2057: "How many rabbits are there?",
    2059: "What is left of the train?",
    2004: "Which vehicles are in the image?",
    2022: "Describe the image in detail.",
}


def main() -> None:
    """Write one PNG per example, and the list of them with their questions."""
    SCENES.mkdir(parents=True, exist_ok=True)
    listed = []
    for seed, question in EXAMPLES.items():
        render(random_scene(seed))[0].save(SCENES / f"scene-{seed}.png", optimize=True)
        listed.append({"file": f"scene-{seed}.png", "seed": seed, "question": question})
    (SCENES / "scenes.json").write_text(json.dumps(listed, indent=2) + "\n")


if __name__ == "__main__":
    main()

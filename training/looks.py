"""Where the question looks: `python -m training.looks --scenes 50`.

For questions about one thing in a scene: of the attention that the question's last words give to image patches, which
share falls on the patches of that thing, per layer, beside the share of the patches it covers (chance).
"""

import random

import numpy as np
import torch

from elastic.command_line import Options, not_empty, whole_number
from elastic.model import Llava, load
from scenes.questions import ask
from scenes.scene import patch_things, random_scene, render

SKILLS = ("where", "size", "is_there", "count_object")


def share_on_thing(llava: Llava, seed: str, skill: str, rng: random.Random) -> tuple[np.ndarray, float] | None:
    """Share of image attention on the thing asked about, (L, H), and its share of the patches; None if it is absent."""
    scene = random_scene(seed)
    question = ask(scene, skill, rng)
    if question.skill != skill or len(question.about) != 1:
        return None
    picture, covered = render(scene)
    on_thing = torch.from_numpy(patch_things(covered) == scene.things.index(question.about[0]) + 1)
    prompt = llava.first_turn(picture, question.text)
    with torch.inference_mode():
        maps = llava.model(input_ids=prompt.ids, **prompt.inputs, output_attentions=True).attentions
    is_image = prompt.ids[0] == llava.model.config.image_token_id
    name = llava.processor.tokenizer.encode(f" {question.about[0].name}", add_special_tokens=False)[-1]
    asked = (prompt.ids[0] == name).nonzero()
    first = int(asked[-1]) if len(asked) else int(is_image.nonzero()[-1]) + 1
    rows = torch.stack(maps)[:, 0, :, first:][..., is_image].sum(2)  # (L, H, P)
    return (rows[..., on_thing].sum(-1) / rows.sum(-1)).numpy(), float(on_thing.float().mean())


def main() -> None:
    """Print a table: per layer the mean over heads and the best head, beside chance."""
    parser = Options(__doc__)
    parser.add_argument("--scenes", type=whole_number(1), default=50)
    parser.add_argument("--model", type=not_empty, help="checkpoint; default: the embedded pocket-llava")
    args = parser.parse_args()
    llava = load(args.model, device="cpu")
    llava.model.set_attn_implementation("eager")
    rng = random.Random("looks")
    found = [share_on_thing(llava, f"looks {n}", skill, rng) for n in range(args.scenes) for skill in SKILLS]
    shares = np.stack([found[0] for found in found if found])
    chance = np.mean([found[1] for found in found if found])
    print(f"{len(shares)} questions about one thing in {args.scenes} scenes; it covers {chance:.1%} of the patches\n")
    print("| layer | mean over heads | best head |\n|---|---|---|")
    for layer, heads in enumerate(shares.mean(0), start=1):
        print(f"| {layer} | {heads.mean():.1%} | {heads.max():.1%} |")


if __name__ == "__main__":
    main()

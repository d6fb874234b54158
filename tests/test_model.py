"""Loading: where weights go, and what is refused with what to do instead."""

import pytest
import torch

from elastic.engine import compress, decode, prefill
from elastic.model import Llava, load
from elastic.policies.elastic_plus import ElasticPlus

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")


@no_gpu
@pytest.mark.parametrize("wanted", [{"device": "cuda"}, {"four_bit": True}])
def test_a_gpu_that_is_not_there_is_asked_for_in_vain(wanted):
    with pytest.raises(ValueError, match=r"CUDA device.* was found\. Use --device cpu"):
        load(**wanted)


@pytest.mark.parametrize("name", ["/no/such/folder", "no-such-organisation/no-such-model"])
def test_what_is_no_checkpoint_is_named(name):
    with pytest.raises(ValueError, match=f"Could not load '{name}'"):
        load(name, device="cpu")


def test_weights_spread_over_devices_answer_the_same(tiny, tiny_folder, tmp_path, picture):
    """Layers that wait on the disk until they are needed: what happens to a model that fits nowhere as a whole."""
    from accelerate import dispatch_model

    apart = load(tiny_folder, device="cpu").model
    places = {name: "cpu" for name, _ in apart.named_children()}
    places.pop("model")
    places |= {f"model.{name}": "cpu" for name, _ in apart.model.named_children()}
    places.pop("model.language_model")
    text = apart.model.language_model
    places |= {f"model.language_model.{name}": "cpu" for name, _ in text.named_children() if name != "layers"}
    places |= {f"model.language_model.layers.{n}": "disk" if n == 1 else "cpu" for n in range(len(text.layers))}
    spread = Llava(dispatch_model(apart, places, main_device="cpu", offload_dir=tmp_path), tiny.processor, "spread")
    assert next(text.layers[1].parameters()).device.type == "meta"
    assert spread.decoder is None, "the fast way would pass by the hooks that fetch the weights"
    policy = ElasticPlus(keep=0.3)
    prompt = tiny.first_turn(picture, "Describe the image in detail.")
    answers = []
    for llava in (tiny, spread):
        state = compress(prefill(llava, prompt, policy.needs), policy)
        answers.append([step.token for step in decode(state, 15)])
    assert answers[0] == answers[1]

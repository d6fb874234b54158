"""The library's own `generate` with a compressed cache: one question, with the full cache and with a fifth of it.

    python -m examples.generate

From the project's folder, in a few seconds. A line for each cache: its method, what it holds at the end, the answer.
Both answer that it is an owl, the second from about a fifth of the bytes.
"""

from elastic import model, picture
from elastic.cache import ElasticCache
from elastic.policies import POLICIES

llava = model.load(device="cpu")  # or load("llava-hf/llava-1.5-7b-hf")
prompt = llava.first_turn(picture.open_picture("assets/scenes/scene-2022.png"), "What is in the center?")
for policy in (POLICIES["full"](), POLICIES["elastic-plus"](keep=0.2)):
    cache = ElasticCache(policy, llava.model)
    inputs = {"input_ids": prompt.ids, **prompt.inputs}
    written = llava.model.generate(**inputs, past_key_values=cache, max_new_tokens=32)[0]
    answer = llava.text(written[prompt.ids.shape[1] :].tolist())
    print(f"{policy.title}, {sum(cache.bytes_held) / 1000:.0f} kB: {answer}")

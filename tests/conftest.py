"""Models for the tests: a tiny untrained LLaVA, saved and loaded like any other, and the embedded pocket-llava."""

import gc
import os
import shutil

import pytest

# Before torch is imported: every core has a test process of its own, and threads that wait for each other only lose.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# What takes seconds to import is imported inside the fixtures: most files of tests need no model.

# Files that take over ten seconds, the longest first, as measured: else one process ends with them while others idle.
LONG = (
    "test_erase_browser test_coming_back_browser test_page test_page_looking test_everybody_browser "
    "test_cache_library test_watch test_families_browser test_evaluate test_transcript_browser "
    "test_compare_browser test_smollm2 test_opened_run_browser test_families test_evaluate_ray "
    "test_view_in_gradio test_lesson_present test_benchmarks test_lesson_browser test_examples test_beginning "
    "test_evaluate_protocols test_matrix test_claims test_lesson_words test_uploads_browser test_generate "
    "test_package test_ending_browser test_before_question_browser test_cache_protocol test_rereading "
    "test_side_settings_browser test_reuse_browser test_view_browser test_report_browser test_malformed "
    "test_fewer_browser test_present_browser test_view_merging test_view_time test_saving_browser test_training "
    "test_settings_browser test_lesson_draw test_telling"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long."""
    places = {name: place for place, name in enumerate(LONG.split())}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


# What is imported and collected stays to the end: looking through it for garbage, over and over, takes seconds.
gc.disable()


def pytest_collection_finish() -> None:
    """From here on garbage is looked for among what the tests make."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """With what failed on a page: what stood on it, as a race that shows once in a hundred runs leaves nothing else."""
    report = yield
    if report.when == "call" and report.failed:
        from tests.serving import standing_on

        for name, value in getattr(item, "funcargs", {}).items():
            if said := standing_on(value):
                report.sections.append((f"{name} at the end", said))
    return report


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A checkpoint of an untrained LLaVA with three layers and grouped-query attention."""
    import torch
    from transformers import GenerationConfig, LlavaForConditionalGeneration, PreTrainedTokenizerFast

    from elastic.model import POCKET
    from training.checkpoint import build_config, build_processor

    torch.manual_seed(1)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(POCKET)
    config = build_config(tokenizer)
    config.text_config.num_hidden_layers = 3
    config.text_config.hidden_size, config.text_config.head_dim = 64, 16
    config.text_config.num_key_value_heads = 2
    config.vision_config.num_hidden_layers = 1
    # Weights far larger than usual: with the usual ones an untrained model attends to everything alike,
    # and a lost token would make no difference to notice.
    config.text_config.initializer_range = 0.3
    model = LlavaForConditionalGeneration(config)
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    folder = tmp_path_factory.mktemp("tiny-llava")
    model.save_pretrained(folder)
    build_processor(tokenizer).save_pretrained(folder)
    return folder


TINY_SCALE = 1.0  # of its kernels: a memory gets a good part of the attention, and not all


@pytest.fixture(scope="session")
def tiny(tiny_folder):
    from elastic.model import load
    from tests.drawn_kernels import given

    reader = load(tiny_folder, device="cpu")
    given(reader.model, scale=TINY_SCALE)
    return reader


CHAT = (  # of the checkpoint below: what SmolLM2 and its kin write, without their words for special tokens
    "{% for message in messages %}<s>{{ message['role'] }}: {{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant:{% endif %}"
)


@pytest.fixture(scope="session")
def tiny_text_folder(tmp_path_factory):
    """A checkpoint of an untrained text model with three layers and grouped-query attention."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from elastic.model import POCKET

    torch.manual_seed(2)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(POCKET)
    tokenizer.chat_template = CHAT
    shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}
    heads = {"num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 1024}
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    # Weights far larger than usual, as in `tiny_folder`.
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), initializer_range=0.3, **shape, **heads, **ids))
    folder = tmp_path_factory.mktemp("tiny-text")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_text(tiny_text_folder):
    from elastic.model import load
    from tests.drawn_kernels import given

    reader = load(tiny_text_folder, device="cpu")
    given(reader.model)
    return reader


@pytest.fixture(scope="session")
def smollm2():
    """SmolLM2-135M-Instruct; where its package is missing, skipped here, and failed where REQUIRE_REAL is set."""
    from elastic.model import load
    from elastic.models.smollm2 import find

    try:
        find()
    except ValueError as error:
        pytest.fail(str(error)) if os.environ.get("REQUIRE_REAL") else pytest.skip(str(error))
    return load("smollm2", device="cpu")


@pytest.fixture(scope="session")
def pocket():
    from elastic.model import load

    return load(device="cpu")


@pytest.fixture(scope="session")
def eager(tiny_folder):
    """The tiny model with the library's own eager attention: an oracle that shares no code with ours."""
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(tiny_folder, attn_implementation="eager").eval()


@pytest.fixture(scope="session")
def picture():
    from scenes.scene import random_scene, render

    return render(random_scene("test"))[0]


@pytest.fixture(scope="session")
def asked(tiny, picture):
    return tiny.first_turn(picture, "Describe the image in detail.")


@pytest.fixture(scope="session")
def start(tiny, asked):
    """One prompt, read for all methods."""
    from elastic.engine import prefill
    from elastic.policies import POLICIES

    return prefill(tiny, asked, frozenset().union(*(policy().needs for policy in POLICIES.values())))


@pytest.fixture(scope="session")
def browser():
    """The system's Chromium; without one, browser tests are skipped here and fail where REQUIRE_BROWSER is set."""
    from playwright.sync_api import sync_playwright

    # The shell first: it draws the same and has no windows, of which each costs a second.
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        message = "Browser tests need Chromium: apt-get install chromium-headless-shell"
        pytest.fail(message) if os.environ.get("REQUIRE_BROWSER") else pytest.skip(message)
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", *quiet])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def live():
    """The address of the real program with its model; all files that a process runs share it."""
    from tests.serving import served

    with served() as address:
        yield address


@pytest.fixture(scope="session")
def recorded_only():
    """The address of the real program with recorded runs only."""
    from tests.serving import served

    with served("--recorded") as address:
        yield address

"""The evaluation on a Ray cluster of two workers, one of which is killed in the middle of its work."""

import builtins
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import pytest

from elastic.evaluate import __main__ as program
from elastic.evaluate import ray_cluster
from elastic.evaluate.data import Sample, Turn, registered_samples
from elastic.evaluate.records import Records
from elastic.evaluate.run import Chunk
from scenes.evaluation import Drawing

TIMES = {"ms_per_token", "compress_ms"}
scene_samples = partial(registered_samples, "scenes")


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster of two workers; without Ray, skipped here, and failed where REQUIRE_RAY is set."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        from ray.cluster_utils import Cluster
    except ImportError:
        message = "Tests of --ray need Ray: pip install -r requirements-ray.txt"
        pytest.fail(message) if os.environ.get("REQUIRE_RAY") else pytest.skip(message)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    yield cluster.address
    cluster.shutdown()


def untimed(path):
    """Answers by what they are about, without their times."""
    answers = Records(path, {}).answers()
    return {
        (line["sample"], line["skill"], line["policy"], line["keep"]): {
            name: value for name, value in line.items() if name not in TIMES
        }
        for line in answers
    }


def kill_who_wrote(path):
    """Kill the process whose number appears in a file."""
    for _ in range(600):
        if path.exists() and path.read_text():
            os.kill(int(path.read_text()), signal.SIGKILL)
            return True
        time.sleep(0.1)
    return False


def test_a_lost_worker_costs_nothing_but_time(cluster, tiny_folder, tmp_path, monkeypatch):
    at_work = tmp_path / "at work"

    @dataclass(frozen=True)
    class Waiting(Sample):
        """Tells who works on it, and is finished only by the second one who tries."""

        def open(self):
            if not at_work.exists():
                at_work.write_text(str(os.getpid()))
                time.sleep(60)
            return super().open()

    samples = scene_samples(1, 4, 0, 1)
    waiting = Waiting(**{name: getattr(samples[1], name) for name in ("name", "picture", "turns")})
    command = ["--policies", "elastic", "--keep", "0.2", "--model", str(tiny_folder), "--max-new-tokens", "4"]
    outs = tmp_path / "here.json", tmp_path / "cluster.json"

    monkeypatch.setattr(program, "samples_of", lambda args: (samples, []))
    program.run(program.arguments([*command, "--out", str(outs[0])]))
    monkeypatch.setattr(program, "samples_of", lambda args: ([samples[0], waiting, *samples[2:]], []))
    with ThreadPoolExecutor() as beside:
        killed = beside.submit(kill_who_wrote, at_work)
        results = program.run(program.arguments([*command, "--ray", cluster, "--out", str(outs[1])]))
    assert killed.result()
    assert results["settings"]["errors"] == []
    here, there = (untimed(out.with_suffix(".samples.jsonl")) for out in outs)
    assert len(here) == 14, "four questions and three turns, by two methods"
    assert there == here


def test_a_missing_cluster_is_one_sentence(cluster):
    with pytest.raises(ValueError, match="no Ray cluster to join at"):
        next(ray_cluster.on_ray(None, [], "127.0.0.1:1"))


def test_without_ray_one_sentence_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without_ray(name, *args, **kwargs):
        if name == "ray":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(ValueError, match="--ray needs the package ray"):
        next(ray_cluster.on_ray(None, [], None))


def test_picture_files_travel_with_a_chunk(tmp_path, picture):
    path = tmp_path / "a.png"
    picture.save(path)
    sample = Sample("a", path, (Turn("What?", None, "question"),))
    sent = ray_cluster._with_pictures(Chunk((sample, replace(sample, picture=Drawing("seed"))), (), 1))
    path.unlink()
    assert sent.samples[0].open().tobytes() == picture.tobytes()
    assert sent.samples[1].picture == Drawing("seed")

# SPDX-License-Identifier: Apache-2.0
"""Decoded recordings on disk: what is kept, what is read again, what memory holds; clips longer
than a second; files shared by workers."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from edge_lp.measure import place
from edge_lp.measure.clips import read_clip
from edge_lp.measure.splits import Clip
from edge_lp_train import augment, data, sampler, store
from edge_lp_train.presets import TrainConfig, configure


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "edge-lp" / "pcm"


@pytest.fixture
def files(tmp_path):
    """Three recordings of which the second is none."""
    rng = np.random.default_rng(0)
    pcm = [rng.integers(-9000, 9000, n).astype(np.int16) for n in (16000, 40000)]
    for name, x in zip("ac", pcm):
        soundfile.write(tmp_path / f"{name}.wav", x, 16000)
    (tmp_path / "b.wav").write_bytes(b"RIFF is not enough")
    return [tmp_path / f"{n}.wav" for n in "abc"], pcm


def same(found, pcm):
    assert isinstance(found[1], str)
    for x, y in zip((found[0], found[2]), pcm):
        assert len(x) == len(y) and np.array_equal(x, y)
        assert np.array_equal(x[-700:300], y[-700:300]) and np.array_equal(x[5:90], y[5:90])
        assert np.asarray(x, np.float32).dtype == np.float32


def test_a_second_start_decodes_nothing(files, monkeypatch):
    paths, pcm = files
    same(store.read_all(paths, "test"), pcm)
    monkeypatch.setattr(store, "_read", lambda p: pytest.fail("decoded again"))
    same(store.read_all(paths, "test"), pcm)


def test_a_start_opens_each_recording_once(tmp_path, monkeypatch):
    """85,000 clips were not loaded in 290 s: each was asked for 38 times, and read whole twice to
    be compared with others. Now a first start decodes it and looks at one page of it, a second
    only looks at the page; both ask the system about it five times, in how many folders it is."""
    root = tmp_path / "words"
    for i in range(90):
        path = root / ("yes", "no", "other")[i % 3] / f"{i:08x}_nohash_0.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        pcm = np.random.default_rng(i).integers(-9000, 9000, 16000).astype(np.int16)
        soundfile.write(path, pcm, 16000)
    opened, asked = Counter(), Counter()

    def counting(call, count):
        def counted(path, *rest, **named):
            if str(path).startswith(str(root)) and str(path).endswith(".wav"):
                count[str(path)] += 1
            return call(path, *rest, **named)

        return counted

    monkeypatch.setattr("builtins.open", counting(open, opened))
    for name in ("stat", "lstat"):
        monkeypatch.setattr(os, name, counting(getattr(os, name), asked))
    config = configure(None, ("yes", "no"), held=0.0)
    for most in (2, 1):
        opened.clear()
        asked.clear()
        found = data.load_corpus({"data": root}, config)
        assert len(found.clips) == 90 and len(opened) <= 90
        assert max(opened.values()) == most and max(asked.values()) <= 5


def test_what_waits_to_be_written_is_bounded():
    sizes = [1, store.SIZE + 1, *[store.SIZE // 3] * 7, *[0] * 200]
    files = [(Path(str(i)), size) for i, size in enumerate(sizes)]
    groups = list(store._groups(files))
    assert [f for g in groups for f in g] == files
    assert all(len(g) <= store.TOGETHER for g in groups)
    assert all(sum(size for _, size in g) <= store.SIZE or len(g) == 1 for g in groups)


def test_a_file_of_many_hours_is_never_held_whole(files, monkeypatch):
    """What is larger than SIZE is written block by block: the same samples, places and faults."""
    paths, pcm = files
    damaged = paths[0].with_name("d.flac")
    soundfile.write(damaged, np.tile(pcm[1], 9), 16000)
    damaged.write_bytes(damaged.read_bytes()[:300_000])
    expected = store.read_all([*paths[:2], damaged, paths[2]], "test")
    monkeypatch.setattr(store, "SIZE", 10)
    monkeypatch.setattr(store, "_read", lambda p: pytest.fail(f"{p} was read whole"))
    for p in paths + [damaged]:
        os.utime(p, ns=(1, 1))  # what was kept is of other files
    found = store.read_all([*paths[:2], damaged, paths[2]], "test")
    same([found[0], found[1], found[3]], pcm)
    assert found[1:3] == expected[1:3]
    for x, y in ((found[0], expected[0]), (found[3], expected[3])):
        assert (x.at, x.spoken) == (y.at, y.spoken)


def test_a_draw_is_choice_without_its_walk():
    """rng.choice goes through all shares for one draw: .36 ms of 46,590 clips."""
    p = np.random.default_rng(5).random(300)
    p[[0, 7, -1]] = 0
    p /= p.sum()
    a, b = np.random.default_rng(1), np.random.default_rng(1)
    shares = augment.cumulative(p)
    drawn = [augment.pick(shares, a) for _ in range(500)]
    assert drawn == [int(b.choice(300, p=p)) for _ in range(500)]


@pytest.mark.parametrize("damage", ["index", "short", "gone"])
def test_t9_a_damaged_cache_is_made_anew(files, cache, damage):
    paths, pcm = files
    store.read_all(paths, "test")
    (samples,), (index,) = cache.glob("*.pcm"), cache.glob("*.npz")
    if damage == "index":
        index.write_bytes(index.read_bytes()[:100])
    elif damage == "short":
        samples.write_bytes(samples.read_bytes()[:-2])
    else:
        samples.unlink()
    same(store.read_all(paths, "test"), pcm)
    assert len(list(cache.iterdir())) == 2


def test_without_room_for_a_cache_it_is_done_without(files, cache, capfd):
    paths, pcm = files
    cache.parent.mkdir(parents=True)
    cache.write_text("")  # a file where the folder should be
    same(store.read_all(paths, "test"), pcm)
    assert "not kept" in capfd.readouterr().err


def test_t5_the_word_is_found_late_in_a_long_clip():
    """The place of a word, and the second around it."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 30, 48000).astype(np.int16)
    x[32000:38000] += (8000 * np.sin(np.arange(6000) / 9)).astype(np.int16)
    at, n = place.place_of_word(x)
    assert 31500 <= at <= 33000 and 5000 <= n <= 6500
    assert place.place_of_word(np.zeros(100, np.int16)) == (0, 0)
    assert place.place_of_word(np.ones(place.LONG + 1, np.int16)) == (0, 16000)


@pytest.mark.parametrize("seconds", [0.5, 1, 3, 25])
def test_evaluate_hears_the_second_that_training_takes(tmp_path, seconds):
    """Of the 89 recordings of "computer", 3 s each, 77 were decided as silence: `evaluate` took
    their first second."""
    clips_of(tmp_path, seconds, 0.4)
    taken = store.read_all([tmp_path / "0.wav"], "test")[0].around(16000)
    heard = read_clip(tmp_path / "0.wav")
    assert np.array_equal(heard[: len(taken)], np.asarray(taken)) and not heard[len(taken) :].any()
    loud = np.abs(heard.astype(int)) > 1000
    assert loud.sum() > 5000 or seconds > 20


def test_a_copy_of_a_recording_can_be_written_to(tmp_path):
    """`computer` could not be trained: its halves are made in such a copy."""
    clips, found = clips_of(tmp_path, 1, 0.6)
    copy = np.array(found[0])
    copy[:100] = 0
    assert sampler.half(found[0], np.random.default_rng(1)).any()
    assert not np.array_equal(copy, np.asarray(found[0]))


def clips_of(tmp_path, seconds, word_seconds):
    clips = []
    for i in range(5):
        x = np.random.default_rng(i).normal(0, 20, int(seconds * 16000)).astype(np.int16)
        n = int(word_seconds * 16000)
        x[-n:] += (8000 * np.sin(np.arange(n) / 9)).astype(np.int16)
        soundfile.write(tmp_path / f"{i}.wav", x, 16000)
        clips.append(Clip(tmp_path / f"{i}.wav", "hello", "training", str(i)))
    return clips, store.read_all([c.path for c in clips], "test")


@pytest.mark.parametrize("seconds, word, frames", [(3, 0.6, 100), (3, 1.3, 140), (1, 0.9, 100)])
def test_t5_clips_are_as_long_as_the_words(tmp_path, seconds, word, frames):
    """90 % of a word of 1.3 s and .2 s more; a short word in a long clip keeps to a second, around
    which the rest is cut."""
    clips, found = clips_of(tmp_path, seconds, word)
    got = data.clip_frames(clips, found, configure(None, ("hello",)))
    assert got == frames
    part = found[0].around(got * 160)
    whole = np.asarray(found[0]).astype(float)
    assert len(part) == min(got * 160, len(whole))
    assert np.sum(np.asarray(part).astype(float) ** 2) > 0.97 * np.sum(whole**2)


def test_workers_share_the_files():
    items = [f"{w}{i}" for w in "abc" for i in range(7)] + ["d0"]
    shards = [data.shard(items, lambda x: x[0], w, 3) for w in range(3)]
    assert sorted(x for s in shards for x in s if x != "d0") == sorted(items[:-1])
    assert all("d0" in s for s in shards)
    assert max(map(len, shards)) - min(map(len, shards)) <= 3
    assert data.shard(items, lambda x: x[0], 0, 1) == items


def test_speakers_are_set_aside():
    clips = [Clip(Path(f"{s}_{k}"), w, "training", f"s{s}")
             for s in range(300) for k, w in enumerate(("yes", "no"))]  # fmt: skip
    few = [Clip(Path(f"f{s}"), "rare", "training", f"s{s}") for s in range(19)]
    aside = data._set_aside(clips + few, TrainConfig(held=0.1))
    speakers = {c.speaker for c in aside}
    assert 15 <= len(speakers) <= 50 and not any(c.word == "rare" for c in aside)
    assert aside == {c for c in clips if c.speaker in speakers}  # all that they say


MEASURE = """
import json, resource, sys
from pathlib import Path
from edge_lp_train import data, sampler
from edge_lp_train.presets import configure
root = Path(sys.argv[1])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
config = configure(None, ("yes",), held=0.0)
before = peak()
folders = {"data": root / "words", "noise": root / "noise", "speech": root / "noise"}
material = data.load_corpus(folders, config)
draws = sampler.Sampler(material.training, config)
for seed in range(int(sys.argv[2])):
    draws.draw(seed)
t = material.training
held = sum(map(len, [*t.clips, *t.noise, *t.speech])) * 2 / 2**20
print(json.dumps({"grown": peak() - before, "peak": peak(), "pcm": held, "clips": len(t.clips)}))
"""


def test_memory_does_not_grow_with_the_recordings(tmp_path):
    """2,000 clips and two hours of noise, also as speech, 500 MB of samples, in 110 MB more
    than an empty start takes."""
    rng = np.random.default_rng(0)
    for folder in ("noise", "words/training/yes", "words/training/other", "words/validation/yes"):
        (tmp_path / folder).mkdir(parents=True)
    soundfile.write(tmp_path / "n.wav", rng.normal(0, 500, 9_600_000).astype(np.int16), 16000)
    soundfile.write(tmp_path / "c.wav", rng.normal(0, 500, 16000).astype(np.int16), 16000)
    for i in range(12):
        (tmp_path / "noise" / f"{i}.wav").symlink_to(tmp_path / "n.wav")
    for i in range(1000):
        for word in ("training/yes", "training/other"):
            (tmp_path / "words" / word / f"s{i}_x.wav").symlink_to(tmp_path / "c.wav")
    soundfile.write(tmp_path / "words/validation/yes/v_x.wav", np.ones(16000, np.int16), 16000)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path, "150"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["clips"] == 2000 and found["pcm"] > 450
    assert found["grown"] < 110

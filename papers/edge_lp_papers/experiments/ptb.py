# SPDX-License-Identifier: Apache-2.0
"""P1, Table 3: a language model of words that reads their characters (Kim et al. 2016): over a
word's characters convolutions, of each the largest, highway layers, two recurrent layers, softmax
over the words. LSTM against lpLSTM (eq. 24, alpha drawn from U(.1, 1)), with tanh and with ReLU;
perplexity on unseen text.

The text is the user's Penn Treebank, DATA/ptb/train.txt, valid.txt and test.txt, a sentence a line.
Without it a small one is made: sentences of a grammar in which a verb agrees with its subject over
a relative clause in between, the perplexity of which is known, so that is the floor. Published
perplexities are not at hand here, so a made text can show the order alone; the verdict on the table
needs the Penn Treebank and --full (650 units and feature maps of the authors' code). Trained by
Adam, its rate halved where the validation perplexity rises: the code's plain descent at 1 on the
sum of 35 steps, with gradients of norm 5, diverges with ReLU at the small size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from edge_lp.errors import EdgeLpError

from edge_lp_papers.experiment import NOT_REPRODUCED, REPRODUCED, Experiment, Row, Verdict
from edge_lp_papers.experiments import training
from edge_lp_papers.rests import fingerprint
from edge_lp_papers.work import Part, Work

SPLITS = ("train", "valid", "test")
NETS = tuple((kind, activation) for kind in ("LSTM", "lpLSTM") for activation in ("tanh", "relu"))
STEPS, BATCH, LONGEST, END = 35, 20, 21, "+"
NEAR = 1.1  # an lpLSTM's perplexity over the LSTM's that counts as the same

SUBJECTS = {"": ["dog", "farmer", "child", "king"], "s": ["dogs", "farmers", "children", "kings"]}
VERBS = {"": ["sees", "likes", "follows"], "s": ["see", "like", "follow"]}
OBJECTS = ["trees", "ships", "birds", "stones", "rivers"]


def made_text(rng: np.random.Generator, sentences: int) -> tuple[list[str], float]:
    """Words of a grammar, END behind each sentence; and their nats in all, as the grammar has
    them."""
    words: list[str] = []
    nats = 0.0

    def draw(options: list[str]) -> str:
        nonlocal nats
        nats += math.log(len(options))
        return options[rng.integers(len(options))]

    for _ in range(sentences):
        number = draw(["", "s"])
        words += ["the", draw(SUBJECTS[number])]
        if draw(["that", "none"]) == "that":
            words += ["that", "the", draw(SUBJECTS[""]), draw(VERBS[""])]
        words += [draw(VERBS[number]), draw(OBJECTS), END]
    return words, nats


def texts(folder: str | None, seed: int, sentences: int) -> tuple[list[list[str]], float | None]:
    """Words of the three SPLITS, and the test text's least perplexity where it is known."""
    if folder:
        files = [Path(folder) / f"{split}.txt" for split in SPLITS]
        if missing := [p for p in files if not p.is_file()]:
            raise EdgeLpError(f"no file {missing[0]}; expected train.txt, valid.txt and test.txt")
        lines = [p.read_text(encoding="utf-8").splitlines() for p in files]
        return [[w for line in each for w in [*line.split(), END]] for each in lines], None
    made = [
        made_text(np.random.default_rng([seed, i]), max(sentences // (1 + 7 * (i > 0)), 400))
        for i in range(3)
    ]
    return [words for words, _ in made], math.exp(made[2][1] / len(made[2][0]))


class Text:
    """Words as numbers and as characters. ids: (n,) of each split; spelt: (words, LONGEST) the
    characters of each word between a start and an end, 0 behind."""

    def __init__(self, splits: list[list[str]]) -> None:
        known = {w: i for i, w in enumerate(dict.fromkeys(splits[0]))}
        unknown = known.setdefault("<unk>", len(known))
        letters = {c: i for i, c in enumerate(sorted(set("".join(known))), 3)}
        self.ids = [np.array([known.get(w, unknown) for w in split]) for split in splits]
        self.words, self.letters = len(known), len(letters) + 3
        self.spelt = np.zeros((self.words, LONGEST), np.int32)
        for word, i in known.items():
            codes = [1, *(letters[c] for c in word[: LONGEST - 2]), 2]
            self.spelt[i, : len(codes)] = codes

    def batches(self, split: int) -> Any:
        """(BATCH, STEPS) ids and those of the words behind them; the streams go on from one to the
        next."""
        ids = self.ids[split]
        each = (len(ids) - 1) // BATCH // STEPS * STEPS
        if not each:
            raise EdgeLpError(f"{SPLITS[split]} text of {len(ids)} words, expected {BATCH * STEPS}")
        x, y = (ids[i : i + BATCH * each].reshape(BATCH, each) for i in (0, 1))
        for t in range(0, each, STEPS):
            yield x[:, t : t + STEPS], y[:, t : t + STEPS]


def recurrent(kind: str, activation: str, units: int, seed: int) -> Any:
    import keras
    from edge_lp_train.lowpass import LowPassLSTM

    given = {
        "kernel_initializer": keras.initializers.RandomUniform(-0.05, 0.05, seed=seed),
        "recurrent_initializer": keras.initializers.RandomUniform(-0.05, 0.05, seed=seed + 1),
    }
    options: dict[str, Any] = {**given, "activation": activation, "stateful": True}
    if kind == "LSTM":
        return keras.layers.LSTM(units, use_cudnn=False, return_sequences=True, **options)
    drawn = {"alpha_range": (0.1, 0.999), "seed": seed}
    return LowPassLSTM(units, return_sequences=True, **options, **drawn)


def network(
    net: tuple[str, str], text: Text, units: int, maps: list[int], highways: int, seed: int
) -> Any:
    """(BATCH, STEPS) words' numbers -> logits of the next words."""
    import keras
    from keras import layers, ops

    kind, activation = net
    spelt = ops.convert_to_tensor(text.spelt)
    words = keras.Input(batch_shape=(BATCH, STEPS), dtype="int32")
    x = ops.reshape(ops.take(spelt, words, axis=0), (-1, LONGEST))
    x = layers.Embedding(text.letters, 15)(x)
    found = [
        layers.GlobalMaxPooling1D()(layers.Conv1D(n, width, activation="tanh")(x))
        for width, n in enumerate(maps, 1)
    ]
    x = layers.Concatenate()(found) if len(found) > 1 else found[0]
    for _ in range(highways):
        gate = layers.Dense(
            sum(maps), "sigmoid", bias_initializer=keras.initializers.Constant(-2.0)
        )(x)
        carried = layers.Dense(sum(maps), "relu")(x)
        x = gate * carried + (1.0 - gate) * x
    x = ops.reshape(x, (BATCH, STEPS, sum(maps)))
    for i in range(2):
        x = recurrent(kind, activation, units, 10 * seed + 2 * i)(x)
        x = layers.Dropout(0.5 if units > 200 else 0.0, seed=seed + i)(x)
    model = keras.Model(words, layers.Dense(text.words)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005, clipnorm=1.0), loss)
    return model


def forget(model: Any) -> None:
    """The states of all recurrent layers are 0 again."""
    for layer in model.layers:
        if hasattr(layer, "reset_state"):
            layer.reset_state()


def perplexity(model: Any, text: Text, split: int) -> float:
    forget(model)
    model.reset_metrics()
    mean = math.inf
    for x, y in text.batches(split):
        mean = float(model.test_on_batch(x, y))  # of all batches since the metrics were reset
    return math.exp(min(mean, 50.0))


def one_net(
    net: list[str],
    folder: str | None,
    seed: int,
    epochs: int,
    sentences: int,
    units: int,
    maps: list[int],
    highways: int,
    part: Part,
) -> dict[str, Any]:
    """Perplexities on the validation text, an epoch each, and on the test text at the end."""
    import keras

    splits, least = texts(folder, seed, sentences)
    text = Text(splits)
    keras.utils.set_random_seed(seed)
    model = network((net[0], net[1]), text, units, maps, highways, seed)
    records = training.resume(model, part, "net")
    while len(records) < epochs:
        forget(model)
        for x, y in text.batches(0):
            model.train_on_batch(x, y)
        records.append({"valid": perplexity(model, text, 1)})
        if len(records) > 1 and records[-1]["valid"] > records[-2]["valid"]:
            model.optimizer.learning_rate.assign(0.5 * model.optimizer.learning_rate)
        shown = f"{' '.join(net)}: perplexity {records[-1]['valid']:.1f}"
        part.say(shown, len(records), epochs)
        training.keep(model, part, "net", records)
    test = perplexity(model, text, 2)
    return {"valid": [r["valid"] for r in records], "test": test, "least": least}


def found(data: Path | None) -> Path | None:
    return data / "ptb" if data and (data / "ptb").is_dir() else None


def inputs(data: Path | None) -> dict[str, str]:
    folder = found(data)
    return {"ptb": fingerprint(folder)} if folder else {}


def measure(work: Work, **size: Any) -> dict[str, Any]:
    folder = found(work.data)
    fixed = {"folder": str(folder) if folder else None, "seed": work.seed, **size}
    nets = work.train("nets", one_net, [{"net": list(n), **fixed} for n in NETS])
    names = [" ".join(n) for n in NETS]
    return {"made": folder is None, "nets": dict(zip(names, nets, strict=True))}


def compare(data: dict[str, Any]) -> list[Row]:
    rows = [Row(f"{name}, test perplexity", None, n["test"]) for name, n in data["nets"].items()]
    least = data["nets"]["LSTM tanh"]["least"]
    return [*rows, Row("of the grammar itself", None, least)] if least else rows


def judge(data: dict[str, Any]) -> Verdict:
    nets = data["nets"]
    told = ", ".join(f"{name} {n['test']:.2f}" for name, n in nets.items())
    same = all(nets[f"lpLSTM {a}"]["test"] <= NEAR * nets[f"LSTM {a}"]["test"]
               for a in ("tanh", "relu"))  # fmt: skip
    text = f"Perplexity on unseen text after {len(nets['LSTM tanh']['valid'])} epochs: {told}"
    if data["made"]:
        text += (
            f", on a made text of perplexity {nets['LSTM tanh']['least']:.2f}: no Penn Treebank "
            "was given (--data DIR with ptb/train.txt, valid.txt, test.txt), so the table itself "
            "is not re-measured. "
        )
    else:
        text += ", on the Penn Treebank. "
    text += "The lpLSTM is " + ("as good as" if same else "worse than") + " the LSTM here."
    falling = [name for name, n in nets.items() if n["valid"][-1] < 0.97 * n["valid"][-2]]
    if not same and falling:
        text += f" Still falling by more than 3 % an epoch at the end: {', '.join(falling)}."
    if lost := [name for name, n in nets.items() if max(n["valid"]) > 100 * min(n["valid"])]:
        text += f" Diverged on the way: {', '.join(lost)}."
    return Verdict(REPRODUCED if same and not data["made"] else NOT_REPRODUCED, text)


def draw(figure: Any, data: dict[str, Any]) -> None:
    axes = figure.subplots()
    for name, n in data["nets"].items():
        style = "-" if name.startswith("lp") else "--"
        axes.semilogy(range(1, len(n["valid"]) + 1), n["valid"], style, label=name)
    least = data["nets"]["LSTM tanh"]["least"]
    if least:
        axes.axhline(least, color="k", lw=0.8, ls=":", label="the grammar's own")
    axes.set_ylim(0.9 * min(n["test"] for n in data["nets"].values()),
                  4 * max(n["test"] for n in data["nets"].values()))  # fmt: skip
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation perplexity (above: diverged)")
    axes.grid(True, alpha=0.3, which="both")
    axes.legend(fontsize=8)


EXPERIMENT = Experiment(
    name="ptb",
    paper="P1",
    figure="Table 3",
    title="A language model that reads characters: LSTM against lpLSTM",
    default={"epochs": 8, "sentences": 2500, "units": 48, "maps": [8, 16, 16], "highways": 1},
    full={
        "epochs": 25,
        "sentences": 2500,
        "units": 650,
        "maps": [50, 100, 150, 200, 200, 200, 200],
        "highways": 2,
    },
    times=("2 min", "5 d"),
    measure=measure,
    compare=compare,
    judge=judge,
    draw=draw,
    inputs=inputs,
)

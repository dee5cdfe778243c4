# SPDX-License-Identifier: Apache-2.0
"""Every function of the public headers with NULL for each of its pointers, one after the other,
under sanitizers: what edge_lp.h's conventions and lp_audio.h's head say, never a crash. C10: NULL
`used` and `frames` were one. The functions are those that the headers declare."""

import re
import shutil
import subprocess

import pytest
from edge_lp.model.find import read_model
from paths import ROOT

RUNTIME = ROOT / "runtime"

# What a parameter is given where it is not NULL; of one function: "function.parameter".
GIVEN = {
    "spec": "&spec", "memory": "spare", "bytes": "sizeof spare", "core": "core", "steps": "1",
    "starts": "starts", "inputs": "inputs", "probes": "&probe", "n_probes": "1", "group": "0",
    "counts": "&counts", "where": "&overflow", "state": "state", "mantissa": "1", "bits": "8",
    "mode": "LP_SIGN_MIXED", "exponent": "0", "weight": "&weight", "model": "&model", "index": "0",
    "length": "&size", "crc": "0", "size": "model_size", "frontend": "frontend", "pcm": "pcm",
    "n": "480", "used": "&size", "features": "features", "flags": "0", "net": "net",
    "logits": "rows", "u": "rows", "v": "rows", "spikes": "spikes", "n_labels": "model.n_labels",
    "n_keywords": "model.n_keywords", "config": "&model.detector", "detector": "detector",
    "event": "events", "events": "events", "room": "8", "spotter": "spotter", "frames": "&frames",
    "status": "0", "decimator": "&decimator",
    "interpolator": "&interpolator", "pdm": "&pdm", "out": "out",
    "lp_core_size.bytes": "&size", "lp_core_init.core": "&new.core", "lp_core_state.bytes": "&size",
    "lp_core_restore.bytes": "state_bytes", "lp_model_open.bytes": "model_bytes",
    "lp_model_open.model": "&new.model", "lp_crc32.bytes": "model_bytes",
    "lp_frontend_init.frontend": "&new.frontend", "lp_net_size.bytes": "&size",
    "lp_net_init.net": "&new.net", "lp_detector_size.bytes": "&size",
    "lp_detector_init.detector": "&new.detector", "lp_spotter_size.bytes": "&size",
    "lp_spotter_init.spotter": "&new.spotter", "lp_pdm_pcm.bits": "model_bytes",
}  # fmt: skip
# Pointers of which the header says that they may be NULL.
MAY_BE = {"lp_core_run.starts", "lp_net_state.u", "lp_net_state.v", "lp_net_state.spikes"}

HEAD = """
#include "edge_lp.h"
#include "lp_audio.h"
#include "lp_status.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t spare[1 << 17], memory[4][1 << 17], state[1 << 12];
static int32_t rows[LP_MAX_UNITS];
static uint8_t spikes[LP_MAX_UNITS], model_bytes[1 << 16];
static int16_t pcm[480], out[960], features[LP_FEATURES];
static const uint32_t starts[] = {0, 1};
static const uint16_t inputs[] = {0};
static size_t size, state_bytes, model_size;
static int32_t weight;
static int frames, wrong;
static lp_model model;
static lp_counts counts;
static lp_overflow overflow;
static lp_event events[8];
static lp_decimator decimator;
static lp_interpolator interpolator;
static lp_pdm pdm;
static lp_core *core;
static lp_frontend *frontend;
static lp_net *net;
static lp_detector *detector;
static lp_spotter *spotter;
static struct {
    lp_model model;
    lp_core *core;
    lp_frontend *frontend;
    lp_net *net;
    lp_detector *detector;
    lp_spotter *spotter;
} new;

static void is(const char *what, long long got, long long expected)
{
    if (got == expected) return;
    printf("%s: %lld, expected %lld\\n", what, got, expected);
    wrong = 1;
}

static void works(const char *what, int good)
{
    if (good) return;
    printf("%s: does not work with no NULL at all\\n", what);
    wrong = 1;
}

int main(int argc, char **argv)
{
    const lp_group group = {.n = 4, .join = LP_NO_JOIN, .vmax = 100, .vth = 10, .refract = 1};
    const int16_t weights[4] = {1, 2, 3, 4};
    const lp_synapses synapses = {.src = LP_INPUT, .kind = LP_DENSE16, .data = weights};
    const lp_core_spec spec = {&group, &synapses, 1, 1, 1, 0};
    const lp_probe probe = {0, LP_WHAT_V, rows};
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!f) return 2;
    model_size = fread(model_bytes, 1, sizeof model_bytes, f);
    if (lp_model_open(&model, model_bytes, model_size) ||
        lp_core_init(&core, &spec, memory[0], sizeof memory[0]) ||
        lp_frontend_init(&frontend, memory[1], sizeof memory[1]) ||
        lp_net_init(&net, &model, LP_CORE, memory[2], sizeof memory[2]) ||
        lp_spotter_init(&spotter, &model, 0, memory[3], sizeof memory[3]))
        return 3;
    detector = lp_spotter_detector(spotter);
    const void *live = lp_core_state(core, &state_bytes);
    memcpy(state, live, state_bytes);
"""


def functions():
    """[(returned type, name, [(is a pointer, parameter)])] of every function of the headers."""
    found = []
    for name in ("edge_lp.h", "lp_audio.h", "lp_status.h"):
        text = re.sub(r"/\*.*?\*/", "", (RUNTIME / name).read_text(encoding="utf-8"), flags=re.S)
        for returned, function, parameters in re.findall(
            r"^(?!typedef)((?:static inline )?[a-z][\w *]*?)\b(lp_\w+)\(([^;{]*)\)\s*[;{]",
            text,
            re.M,
        ):
            each = [p.strip() for p in parameters.split(",") if p.strip() != "void"]
            pointers = [("*" in p or "[" in p, re.search(r"(\w+)(\[\w+\])?$", p)[1]) for p in each]
            found.append((returned.strip(), function, pointers))
    return found


def call(function, parameters, hole=None):
    given = [GIVEN.get(f"{function}.{p}", GIVEN.get(p)) for _, p in parameters]
    assert None not in given, (function, parameters)
    return f"{function}({', '.join('NULL' if i == hole else g for i, g in enumerate(given))})"


def calls():
    """C: each function as it works, then with a hole in place of each pointer."""
    for returned, function, parameters in functions():
        every = call(function, parameters)
        if returned == "void":
            yield f"{every};"
        elif returned == "int":
            yield f'works("{function}", {every} >= 0);'
        elif function != "lp_detector_awake":  # may be 0
            yield f'works("{function}", {every} != 0);'
        for i, (pointer, p) in enumerate(parameters):
            if not pointer:
                continue
            what, holed = f"{function}.{p}", call(function, parameters, i)
            if returned == "void":
                yield f"{holed};"
            elif what in MAY_BE:
                yield f'works("{what}", {holed} >= 0);'
            else:
                expected = "LP_E_ARG" if returned == "int" else "0"
                yield f'is("{what}", (long long)(intptr_t){holed}, {expected});'


def test_it_is_every_function():
    names = [name for _, name, _ in functions()]
    assert len(names) == len(set(names)) >= 46
    text = "".join((RUNTIME / h).read_text(encoding="utf-8") for h in ("edge_lp.h", "lp_audio.h"))
    assert set(re.findall(r"\b(lp_\w+)\([^)]*\);", text)) <= set(names)
    pointers = sum(p for _, _, parameters in functions() for p, _ in parameters)
    assert pointers > 80


@pytest.mark.parametrize("vectors", [0, 1])
def test_null_is_told(tmp_path, vectors):
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    source = "\n    ".join([HEAD, *calls(), "return wrong;\n}\n"])
    (tmp_path / "null.c").write_text(source)
    (tmp_path / "m.lpb").write_bytes(read_model("tiny"))
    flags = "-std=c99 -g -O1 -Wall -Wextra -Wno-nonnull -DLP_NO_CLONES".split()
    flags += [
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        f"-DLP_VECTORS={vectors}",
    ]
    runtime = sorted(RUNTIME.rglob("*.c"))
    command = ["gcc", *flags, "-I", RUNTIME, "null.c", *runtime, "-o", "null"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr[-3000:]
    ran = subprocess.run([tmp_path / "null", tmp_path / "m.lpb"], capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stdout == "", ran.stdout + ran.stderr[-2000:]

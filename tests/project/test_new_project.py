# SPDX-License-Identifier: Apache-2.0
"""`edge-lp new-project`: what it writes builds, for CMake as it stands and runs, for the pico-sdk,
Zephyr and Arduino against stand-ins for what the program needs of them (docs/embedding.md says what
was built with their own tools); for ESP-IDF: test_esp_idf.py."""

import re
import subprocess
from dataclasses import replace

import pytest
from edge_lp.audio.signals import babble
from edge_lp.board.project import RUNTIME, TEMPLATES
from edge_lp.cli import main
from edge_lp.cli.boards import new_project
from edge_lp.model.carray import STACK
from edge_lp.model.format import pack
from edge_lp.runtime import Detector, Frontend, Model, Net
from paths import ROOT, load
from random_model import random_spec
from test_ecosystems import BARE_METAL, SOURCES, ZEPHYR, configure, hot, level, need, run


@pytest.fixture(scope="module")
def model():
    """A model that hears keywords in babble."""
    spec = random_spec(1)
    return pack(replace(spec, detector=replace(spec.detector, thresholds=(0.2,), refractory=20)))


def make(board, folder, model):
    (folder / "m.lpb").write_bytes(model)
    with pytest.raises(SystemExit) as ended:
        main(["new-project", "--board", board, "--model", str(folder / "m.lpb"),
              str(folder / "my_words")])  # fmt: skip
    assert ended.value.code == 0
    return folder / "my_words"


def expected(model, pcm):
    opened = Model(model)
    detector = Detector(len(opened.labels), opened.n_keywords, opened.detector)
    events = detector.push(Net(opened).push(Frontend().push(pcm)))[0]
    assert events
    return [(opened.labels[e.label], 10 * e.middle) for e in events]


def test_there_is_a_template_for_each_board():
    assert {p.name for p in TEMPLATES.iterdir()} == set(RUNTIME)
    (option,) = (p for p in new_project.params if p.name == "board")
    assert set(option.type.choices) == set(RUNTIME)


def test_cmake(tmp_path, model):
    """Built as its README says, in a folder whose name has a space, and run: the host's events."""
    need("cmake", "cc")
    folder = tmp_path / "in a folder"
    folder.mkdir()
    project = make("cmake", folder, model)
    for line in re.search(r"cmake .*", (project / "README.md").read_text())[0].split(" && "):
        run(*line.split(), cwd=project)
    pcm = babble(3, seed=1)
    done = subprocess.run(
        [project / "build" / "spotter"], input=pcm.astype("<i2").tobytes(), capture_output=True
    )
    said = [f"{label} at {ms} ms" for label, ms in expected(model, pcm)]
    assert re.search(r"^    \w+ at \d+ ms$", (project / "README.md").read_text(), re.M)
    assert (done.returncode, done.stdout.decode().splitlines()) == (0, said), done.stderr


DMIC = """
#include <stddef.h>
#include <stdint.h>
struct k_mem_slab { int blocks; };
struct pcm_stream_cfg {
    uint32_t pcm_rate; uint8_t pcm_width; uint16_t block_size; struct k_mem_slab *mem_slab;
};
struct pdm_io_cfg {
    uint32_t min_pdm_clk_freq, max_pdm_clk_freq; uint8_t min_pdm_clk_dc, max_pdm_clk_dc;
};
struct pdm_chan_cfg { uint32_t req_chan_map_lo; uint8_t req_num_chan, req_num_streams; };
struct dmic_cfg {
    struct pdm_io_cfg io; struct pcm_stream_cfg *streams; struct pdm_chan_cfg channel;
};
enum { PDM_CHAN_LEFT };
enum dmic_trigger { DMIC_TRIGGER_STOP, DMIC_TRIGGER_START };
uint32_t dmic_build_channel_map(uint8_t, uint8_t, int);
int dmic_configure(const struct device *, struct dmic_cfg *);
int dmic_trigger(const struct device *, enum dmic_trigger);
int dmic_read(const struct device *, uint8_t, void **, size_t *, int32_t);
"""
KERNEL = """
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BUILD_ASSERT(x) _Static_assert(x, "")
#define K_MEM_SLAB_DEFINE_STATIC(name, size, n, align) static struct k_mem_slab name = {n}
#define CONFIG_MAIN_STACK_SIZE MAIN_STACK
void printk(const char *, ...);
void k_mem_slab_free(struct k_mem_slab *, void *);
"""
TREE = """
struct device { int n; };
_Bool device_is_ready(const struct device *);
extern const struct device a_microphone;
#define DT_NODELABEL(label) label
#define DT_NODE_EXISTS(node) THERE_IS_A_MICROPHONE
#define DEVICE_DT_GET(node) &a_microphone
"""


def test_zephyr(tmp_path, model):
    """The program, with the runtime, for a Cortex-M4; its deepest path and 512 bytes are within the
    main stack. A board without a microphone is told so."""
    need("cmake", "arm-none-eabi-gcc")
    project = make("zephyr", tmp_path, model)
    stack = re.search(r"MAIN_STACK_SIZE=(\d+)", (project / "prj.conf").read_text())[1]
    fake = tmp_path / "fake"
    (fake / "zephyr/audio").mkdir(parents=True)
    (fake / "ZephyrConfig.cmake").write_text(
        ZEPHYR.replace('message(FATAL_ERROR "no module")', "set(no_module TRUE)")
        .replace("-Werror)", f"-Werror -DMAIN_STACK={stack} -DTHERE_IS_A_MICROPHONE=1)")
        .replace("-Wextra", "-Wextra -std=c11")
    )
    (fake / "zephyr/kernel.h").write_text(KERNEL)
    (fake / "zephyr/devicetree.h").write_text("")
    (fake / "zephyr/audio/dmic.h").write_text(TREE + DMIC)
    (tmp_path / "m4.cmake").write_text(BARE_METAL)
    options = (f"-DZephyr_DIR={fake}", f"-DCMAKE_TOOLCHAIN_FILE={tmp_path / 'm4.cmake'}")
    commands = configure(project, tmp_path / "b", *options)
    assert set(commands) == {"main.c", *SOURCES}
    assert level(commands["lp_core.c"]) == "-O3" and level(commands["lp_image.c"]) == "-Os"
    report = load(ROOT / "firmware/tools/report.py")
    bound = report.deepest("main", *report.call_graph((tmp_path / "b").rglob("*.ci")))
    assert 300 < bound and bound + 512 <= int(stack)
    main_c = [a.replace("MICROPHONE=1", "MICROPHONE=0") for a in commands["main.c"]]
    done = subprocess.run(main_c, cwd=tmp_path / "b", capture_output=True, text=True)
    assert done.returncode != 0 and "no microphone: label one dmic_dev" in done.stderr


ARDUINO = """
#include <stddef.h>
#include <stdint.h>
struct Line {
    void begin(long); size_t readBytes(char *, size_t);
    void print(const char *); void println(const char *); void println();
    void write(const uint8_t *, size_t);
};
extern Line Serial;
void delay(unsigned long);
void yield();
"""
PDM = """
struct PDMClass {
    void onReceive(void (*)()); int begin(int, int); int read(void *, size_t);
};
extern PDMClass PDM;
"""


@pytest.mark.parametrize("own", [False, True], ids=["serial", "nano33ble"])
def test_arduino_compiles(tmp_path, model, own):
    """With the flags of an Arduino core for a Cortex-M: the sketch, which has its folder's name,
    and what is below its src/."""
    need("arm-none-eabi-g++")
    project = make("arduino", tmp_path, model)
    (tmp_path / "Arduino.h").write_text(ARDUINO)
    (tmp_path / "PDM.h").write_text(PDM)
    cpu = "-mcpu=cortex-m4 -mthumb -Os -ffreestanding -Wall -Wextra -Werror".split()
    run("arm-none-eabi-g++", *cpu, "-std=gnu++11", "-fno-rtti", "-fno-exceptions",
        *(["-DARDUINO_ARDUINO_NANO33BLE"] if own else []), "-I", tmp_path,
        "-include", "Arduino.h", "-x", "c++", "-c", project / "my_words.ino",
        "-o", tmp_path / "sketch.o")  # fmt: skip
    sources = sorted((project / "src").rglob("*.c"))
    assert sorted(p.name for p in sources) == SOURCES
    for source in sources:
        assert ('optimize("O3")' in source.read_text()) == (source.name in hot())
        if not own:
            run("arm-none-eabi-gcc", *cpu, "-std=gnu11", "-c", source, "-o", tmp_path / "o.o")


def test_arduino_runs_with_its_own_microphone(tmp_path, model):
    """Here, with a PDM library that interrupts while the sketch waits: the host's events."""
    need("g++", "gcc")
    project, pcm = make("arduino", tmp_path, model), babble(3, seed=1)
    (tmp_path / "pcm").write_bytes(pcm.astype("<i2").tobytes())
    (tmp_path / "PDM.h").write_text(PDM)
    (tmp_path / "main.cpp").write_text(
        ARDUINO
        + f"""#include <cstdio>
#include <cstdlib>
#define ARDUINO_ARDUINO_NANO33BLE
static FILE *in;
static void (*interrupt)();
void Line::begin(long) {{ in = fopen("{tmp_path}/pcm", "rb"); }}
void Line::print(const char *s) {{ fputs(s, stdout); }}
void Line::println(const char *s) {{ puts(s); }}
void Line::println() {{ puts(""); }}
void Line::write(const uint8_t *s, size_t n) {{ fwrite(s, 1, n, stdout); }}
Line Serial;
void delay(unsigned long) {{ exit(1); }}
void yield() {{ interrupt(); }}
#include "{project / "my_words.ino"}"
PDMClass PDM;
void PDMClass::onReceive(void (*f)()) {{ interrupt = f; }}
int PDMClass::begin(int channels, int rate) {{ return channels == 1 && rate == 16000; }}
int PDMClass::read(void *to, size_t n) {{
    if (!(n = fread(to, 1, n, in))) exit(0);
    return n;
}}
int main() {{ for (setup();;) loop(); }}
"""
    )
    for source in (project / "src").rglob("*.c"):
        run("gcc", "-Os", "-c", source, "-o", tmp_path / f"{source.stem}.o")
    objects = sorted(tmp_path.glob("*.o"))
    run("g++", "-I", tmp_path, tmp_path / "main.cpp", *objects, "-o", tmp_path / "t")
    said = run(tmp_path / "t").splitlines()
    whole = len(pcm) // 160 * 160
    assert said == [label for label, _ in expected(model, pcm[:whole])]


SDK = """
macro(pico_sdk_init)
  add_library(pico_stdlib INTERFACE)
  target_include_directories(pico_stdlib INTERFACE "${PICO_SDK_PATH}/include")
  add_library(hardware_dma INTERFACE)
  add_library(hardware_pio INTERFACE)
endmacro()
function(pico_generate_pio_header target file)
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR "no ${file}")
  endif()
endfunction()
function(pico_set_binary_type)
endfunction()
function(pico_enable_stdio_uart)
endfunction()
function(pico_enable_stdio_usb)
endfunction()
function(pico_add_extra_outputs)
endfunction()
"""
PICO = """
#include <stdbool.h>
#include <stdint.h>
typedef unsigned int uint;
typedef struct { uint32_t rxf[4]; } pio_hw_t;
typedef struct { uint32_t intr; } dma_hw_t;
typedef struct { int n; } pio_sm_config, dma_channel_config, pio_program_t;
extern pio_hw_t the_pio;
extern dma_hw_t the_dma;
#define pio0 (&the_pio)
#define dma_hw (&the_dma)
enum { PIO_FIFO_JOIN_RX, clk_sys };
extern const pio_program_t i2s_program;
pio_sm_config i2s_program_get_default_config(uint);
uint pio_add_program(pio_hw_t *, const pio_program_t *);
void sm_config_set_sideset_pins(pio_sm_config *, uint);
void sm_config_set_in_pins(pio_sm_config *, uint);
void sm_config_set_in_shift(pio_sm_config *, bool, bool, uint);
void sm_config_set_fifo_join(pio_sm_config *, int);
void sm_config_set_clkdiv(pio_sm_config *, float);
uint32_t clock_get_hz(int);
void pio_gpio_init(pio_hw_t *, uint);
void gpio_pull_down(uint);
void pio_sm_set_consecutive_pindirs(pio_hw_t *, uint, uint, uint, bool);
int pio_sm_init(pio_hw_t *, uint, uint, const pio_sm_config *);
void pio_sm_set_enabled(pio_hw_t *, uint, bool);
int dma_claim_unused_channel(bool);
dma_channel_config dma_channel_get_default_config(uint);
void channel_config_set_read_increment(dma_channel_config *, bool);
void channel_config_set_write_increment(dma_channel_config *, bool);
void channel_config_set_ring(dma_channel_config *, bool, uint);
void channel_config_set_dreq(dma_channel_config *, uint);
void channel_config_set_chain_to(dma_channel_config *, uint);
void dma_channel_configure(uint, const dma_channel_config *, volatile void *, const volatile void *,
                           uint, bool);
uint pio_get_dreq(pio_hw_t *, uint, bool);
void tight_loop_contents(void);
bool stdio_init_all(void);
void sleep_ms(uint32_t);
"""


def test_pico(tmp_path, model):
    """Compiled for a Cortex-M0+; its deepest path, and 256 bytes for interrupts, are within the
    stack's bank. Without the SDK it says what is missing."""
    need("cmake", "arm-none-eabi-gcc")
    project = make("pico", tmp_path, model)
    done = subprocess.run(
        ["cmake", "-S", project, "-B", tmp_path / "none"], capture_output=True, text=True
    )
    assert done.returncode != 0 and "where is the pico-sdk?" in done.stderr
    sdk = tmp_path / "sdk"
    for name in "hardware/clocks.h hardware/dma.h i2s.pio.h pico/stdlib.h hardware/pio.h".split():
        (sdk / "include" / name).parent.mkdir(parents=True, exist_ok=True)
        (sdk / "include" / name).write_text('#pragma once\n#include "all.h"\n')
    (sdk / "include" / "all.h").write_text("#pragma once\n" + PICO)
    (sdk / "include" / "stdio.h").write_text("int printf(const char *, ...);\n")
    (sdk / "external").mkdir()
    (sdk / "external" / "pico_sdk_import.cmake").write_text(SDK)
    (tmp_path / "m0.cmake").write_text(
        BARE_METAL.replace("cortex-m4", "cortex-m0plus")
        + "set(CMAKE_CXX_COMPILER arm-none-eabi-g++)\n"
        'set(CMAKE_C_FLAGS_RELEASE "-O3 -Wall -Wextra -Werror")\n'
    )
    # the program is compiled, not linked: the chip's start is the SDK's
    text = (project / "CMakeLists.txt").read_text()
    assert text.count("add_executable(spotter ") == 1
    text = text.replace("add_executable(spotter ", "add_library(spotter STATIC ")
    (project / "CMakeLists.txt").write_text(text)
    commands = configure(
        project, tmp_path / "b", f"-DPICO_SDK_PATH={sdk}", "-DCMAKE_BUILD_TYPE=Release",
        f"-DCMAKE_TOOLCHAIN_FILE={tmp_path / 'm0.cmake'}",
    )  # fmt: skip
    assert set(commands) == {"main.c", *SOURCES} and level(commands["lp_core.c"]) == "-O3"
    report = load(ROOT / "firmware/tools/report.py")
    bound = report.deepest("main", *report.call_graph((tmp_path / "b").rglob("*.ci")))
    assert 300 < bound and bound + 256 <= STACK


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path, model, capsys):
    (tmp_path / "m.lpb").write_bytes(model)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("keep")
    for folder, what in (
        (tmp_path / "mine", "not an empty folder"),
        (tmp_path / "m.lpb", "not an empty folder"),
        (tmp_path / "no" / "where", "cannot make"),
        (tmp_path / "a word", "cannot be an Arduino sketch"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["new-project", "--board", "arduino", "--model", str(tmp_path / "m.lpb"),
                  str(folder)])  # fmt: skip
        said = capsys.readouterr()
        assert ended.value.code == 2 and said.out == "" and said.err.count("\n") == 1
        assert what in said.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.lpb", "mine"]
    assert (tmp_path / "mine" / "notes").read_text() == "keep"


def test_an_empty_folder_will_do(tmp_path, model):
    (tmp_path / "my_words").mkdir()
    assert (make("cmake", tmp_path, model) / "main.c").is_file()

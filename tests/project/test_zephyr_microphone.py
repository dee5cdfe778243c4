# SPDX-License-Identifier: Apache-2.0
"""The Zephyr sample's microphone against a stand-in for what it calls of Zephyr."""

import re
import shutil
import subprocess

import pytest
from paths import ROOT, load

# What dmic.c takes of Zephyr, by the names and types of its include/zephyr/audio/dmic.h.
DMIC = """
#include <stdint.h>
#include <zephyr/kernel.h>
enum dmic_trigger { DMIC_TRIGGER_STOP, DMIC_TRIGGER_START };
enum pdm_lr { PDM_CHAN_LEFT, PDM_CHAN_RIGHT };
struct pdm_io_cfg { uint32_t min_pdm_clk_freq, max_pdm_clk_freq;
                    uint8_t min_pdm_clk_dc, max_pdm_clk_dc; };
struct pcm_stream_cfg { uint32_t pcm_rate; uint8_t pcm_width; uint16_t block_size;
                        struct k_mem_slab *mem_slab; };
struct pdm_chan_cfg { uint32_t req_chan_map_lo; uint8_t req_num_chan, req_num_streams; };
struct dmic_cfg { struct pdm_io_cfg io; struct pcm_stream_cfg *streams;
                  struct pdm_chan_cfg channel; };
uint32_t dmic_build_channel_map(uint8_t, uint8_t, enum pdm_lr);
int dmic_configure(const struct device *, struct dmic_cfg *);
int dmic_trigger(const struct device *, enum dmic_trigger);
int dmic_read(const struct device *, uint8_t, void **, size_t *, int32_t);
"""
KERNEL = """#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct device;
struct k_mem_slab { int x; };
#define K_MEM_SLAB_DEFINE_STATIC(name, size, n, align) static struct k_mem_slab name
#define DT_NODELABEL(label) label
#define DEVICE_DT_GET(node) ((const struct device *)0)
bool device_is_ready(const struct device *);
void k_mem_slab_free(struct k_mem_slab *, void *);
void printk(const char *, ...);
int32_t k_msleep(int32_t);
"""


def test_zephyr_microphone_builds(tmp_path):
    """dmic.c as the sample takes it where the board has a DMIC; its stack is in main's."""
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("arm-none-eabi-gcc is not installed")
    (tmp_path / "zephyr/audio").mkdir(parents=True)
    (tmp_path / "zephyr/kernel.h").write_text(KERNEL)
    (tmp_path / "zephyr/audio/dmic.h").write_text(DMIC)
    cmake = (ROOT / "zephyr/sample/CMakeLists.txt").read_text()
    assert re.search(r"if\(CONFIG_AUDIO_DMIC\)\s+target_sources\(app PRIVATE src/dmic.c\)", cmake)
    command = (
        "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -std=gnu99 -Os -ffreestanding -Wall -Wextra"
    )
    done = subprocess.run(
        [*command.split(), "-Werror", "-fcallgraph-info=su", f"-I{tmp_path}", "-c",
         ROOT / "zephyr/sample/src/dmic.c", "-o", tmp_path / "dmic.o"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    frames, _ = load(ROOT / "firmware/tools/report.py").call_graph([tmp_path / "dmic.o"])
    assert 0 < sum(frames.values()) < 256

# SPDX-License-Identifier: Apache-2.0
"""edge-lp in ESPHome: keywords from a microphone, with the keys, actions and conditions of its own
micro_wake_word (docs/board-esp32.md). Runs inside ESPHome, where no edge-lp is installed."""

import re
import zlib
from pathlib import Path

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.const import (
    CONF_ID,
    CONF_MICROPHONE,
    CONF_MODEL,
    CONF_RAW_DATA_ID,
    PLATFORM_ESP32,
    PLATFORM_HOST,
)
from esphome.core import CORE, HexInt

from esphome import automation
from esphome.components import esp32, microphone

DEPENDENCIES = ["microphone"]

ROOT = Path(__file__).parents[3]  # of edge-lp: its runtime and its models are taken from there
RUNTIME = ROOT / "esp-idf" / "edge_lp"
HEADER = ROOT / "runtime" / "edge_lp.h"
SHIPPED = {path.stem: path for path in (ROOT / "host" / "edge_lp" / "models").glob("*.lpb")}

CONF_ON_WAKE_WORD_DETECTED = "on_wake_word_detected"
CONF_PROBABILITY_CUTOFF = "probability_cutoff"
CONF_STOP_AFTER_DETECTION = "stop_after_detection"

namespace = cg.esphome_ns.namespace("edge_lp")
Spotter = namespace.class_("Spotter", cg.Component)
StartAction = namespace.class_("StartAction", automation.Action)
StopAction = namespace.class_("StopAction", automation.Action)
IsRunningCondition = namespace.class_("IsRunningCondition", automation.Condition)


def _version(part):
    """LP_FORMAT_MAJOR or LP_FORMAT_MINOR of the runtime."""
    return int(re.search(rf"#define LP_FORMAT_{part} (\d+)", HEADER.read_text())[1])


def _model(value):
    """The name of a shipped model or a file -> its path, looked at as far as can be without the
    runtime (SPEC.md, "Model file"), which checks the rest on the chip."""
    value = cv.string_strict(value)
    path = SHIPPED.get(value)
    if path is None:
        try:
            path = cv.file_(value)
        except cv.Invalid as e:
            raise cv.Invalid(f"{e} Or name a shipped one: {', '.join(sorted(SHIPPED))}.") from e
    data = path.read_bytes()
    size = int.from_bytes(data[8:12], "little")
    if data[:4] != b"\x89LPB" or len(data) < 20:
        raise cv.Invalid(f"{path} is no edge-lp model (.lpb).")
    major, minor = _version("MAJOR"), _version("MINOR")
    if data[4] != major or data[5] > minor:
        raise cv.Invalid(
            f"{path} is of format {data[4]}.{data[5]}, this component reads {major}.0 to "
            f"{major}.{minor}: take the component of the edge-lp that wrote it."
        )
    if len(data) != size or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise cv.Invalid(f"{path} is damaged (size or checksum): export it again.")
    return path


def _runtime(config):
    if not RUNTIME.is_dir() or not HEADER.is_file():
        raise cv.Invalid(
            f"The runtime is not in {ROOT}: take the whole edge-lp repository as the source, not "
            "the component's folder alone."
        )
    return config


CONFIG_SCHEMA = cv.All(
    _runtime,  # first: the model is looked at with it
    cv.Schema(
        {
            cv.GenerateID(): cv.declare_id(Spotter),
            cv.Optional(CONF_MICROPHONE, default={}): microphone.microphone_source_schema(),
            cv.Required(CONF_MODEL): _model,
            cv.Optional(CONF_PROBABILITY_CUTOFF): cv.percentage,
            cv.Optional(CONF_STOP_AFTER_DETECTION, default=True): cv.boolean,
            cv.Optional(CONF_ON_WAKE_WORD_DETECTED): automation.validate_automation(single=True),
            cv.GenerateID(CONF_RAW_DATA_ID): cv.declare_id(cg.uint8),
        }
    ).extend(cv.COMPONENT_SCHEMA),
    cv.only_on(
        [PLATFORM_ESP32, PLATFORM_HOST]
    ),  # on the host the tests bring microphone and runtime
)

FINAL_VALIDATE_SCHEMA = cv.Schema(
    {
        cv.Required(CONF_MICROPHONE): microphone.final_validate_microphone_source_schema(
            "edge_lp", sample_rate=16000
        )
    },
    extra=cv.ALLOW_EXTRA,
)


async def to_code(config):
    var = cg.new_Pvariable(config[CONF_ID])
    await cg.register_component(var, config)
    source = await microphone.microphone_source_to_code(config[CONF_MICROPHONE])
    cg.add(var.set_microphone_source(source))
    data = config[CONF_MODEL].read_bytes()
    model = cg.progmem_array(config[CONF_RAW_DATA_ID], [HexInt(x) for x in data])
    cg.add(var.set_model(model, len(data)))
    if CONF_PROBABILITY_CUTOFF in config:
        cg.add(var.set_probability_cutoff(config[CONF_PROBABILITY_CUTOFF]))
    cg.add(var.set_stop_after_detection(config[CONF_STOP_AFTER_DETECTION]))
    if CORE.is_esp32:
        esp32.add_idf_component(name="edge_lp", path=RUNTIME.as_posix())
    if trigger := config.get(CONF_ON_WAKE_WORD_DETECTED):
        await automation.build_automation(
            var.get_wake_word_detected_trigger(), [(cg.std_string, "wake_word")], trigger
        )


WHICH = automation.maybe_simple_id({cv.GenerateID(): cv.use_id(Spotter)})


@automation.register_action("edge_lp.start", StartAction, WHICH, synchronous=True)
@automation.register_action("edge_lp.stop", StopAction, WHICH, synchronous=True)
@automation.register_condition("edge_lp.is_running", IsRunningCondition, WHICH)
async def _parented(config, action_id, template_arg, args):
    var = cg.new_Pvariable(action_id, template_arg)
    await cg.register_parented(var, config[CONF_ID])
    return var

# SPDX-License-Identifier: Apache-2.0
"""A microphone for all tests of listening, and a model that hears something in everything."""

import shutil

import pytest
from edge_lp.model.find import write_model
from edge_lp.model.format import pack
from listener import soak
from random_model import random_spec


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The environment of a PulseAudio server of our own."""
    for tool in ("pulseaudio", "pactl", "paplay"):
        if not shutil.which(tool):
            pytest.skip(
                f"{tool} is not installed (apt-get install pulseaudio pulseaudio-utils "
                "libasound2-plugins)"
            )
    try:
        import sounddevice  # noqa: F401
    except (ModuleNotFoundError, OSError) as e:
        pytest.skip(f"no PortAudio: {e} (pip install sounddevice, apt-get install libportaudio2)")
    try:
        with soak.server(tmp_path_factory.mktemp("pulse")) as found:
            yield found.env
    except RuntimeError as e:
        pytest.skip(f"{e} here")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "random.lpb", pack(random_spec(3)))

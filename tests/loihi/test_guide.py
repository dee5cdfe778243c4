# SPDX-License-Identifier: Apache-2.0
"""The code of docs/loihi.md runs as printed."""

import contextlib
import io
import re

from paths import ROOT

GUIDE = (ROOT / "docs" / "loihi.md").read_text(encoding="utf-8")


def test_the_guide_runs() -> None:
    code, out = "\n".join(re.findall(r"```python\n(.*?)```", GUIDE, re.S)), io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "docs/loihi.md", "exec"), {})  # noqa: S102 - our own text
    assert "(1000, 128) int32 True" in out.getvalue() and "Davies" in out.getvalue()

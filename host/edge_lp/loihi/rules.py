# SPDX-License-Identifier: Apache-2.0
"""Learning rules of Loihi 1 as its users write them, and what the chip makes of them.

    Rule(dw="2^-2*x1*y0 - 2^-2*y1*x0", x1_impulse=16, x1_tau=10, y1_impulse=16, y1_tau=10)

What each source decides. **Davies** is Davies et al., "Loihi: a neuromorphic manycore processor
with on-chip learning", IEEE Micro 38(1), 2018; **Lava** is lava-nc 0.10.0, the bit-approximate
model of lava/magma/core/{learning,model/py/connection.py}, Intel's own; **nengo** is nengo-loihi
1.1.0, **brian2** brian2-loihi 0.5.2, **NxSDK** the calls of createLearningRule in published
programs. Of Davies only an excerpt was at hand: its widths are as the others quote them.

* Rules are sums of products of x0 x1 x2 y0 y1 y2 y3 r0 r1 w t (+ a constant), sgn(w), sgn(t), and a
  factor m 2^e [Davies; the syntax: NxSDK, Lava]; m -8..7, e -7..8, from larger m by halving [Lava].
* Traces have 7 bits, no sign; an impulse has 8 bits of fraction; a decay is exp(-1/tau) a step,
  rounded by chance; tau 0: gone after a step [Davies: 7 bits; Lava and nengo: the rest. brian2
  takes 1 - 1/tau for the exponential]. Weights and tags have 9 bits with the sign [Davies, Lava].
* Spike times within an epoch have 6 bits. A unit's last spike in an epoch is at its time, those
  before it count as at the epoch's start [Lava; NxSDK's users are told to have one at most].
* A product with x0 counts where the source has spiked in the epoch, with traces as they were then
  (that spike's own impulses in them); with y0 the same for the target; with u_k alone every 2^k-th
  epoch, with traces at its end. The first of them in a product decides [Lava].
* Each factor plus its constant is clipped to its bits (x0 y0 1, traces 7, w t 9, Lava's widths);
  the product, with m's 4 bits, is shifted right until 15 bits are left, then left by e + 7, added
  to the weight << 7, and each sum is clipped to 16 bits [Lava. nengo: the same 7 and 15, but 3 bits
  for m, so that products of two traces are twice as large; neither says which the chip does]. So
  x1*y1 is an eighth of what it looks like: docs/loihi.md.
* The sum is rounded by chance to what the weight's format stores (bits, sign mode: steps of 2 for
  mixed 8 bits) [brian2, nengo; Lava rounds to 1 whatever the format]; weights of one sign stop at
  0 [Lava, brian2].
* dt reads what was there before dw, and the other way round [Lava].

The tests' plain-Python twin and recorded runs of all three are what this is checked against:
Lava's on any rule; brian2's where floats and integers agree (decays by 1 - 1/tau that floats
hold, products that need no shift; it rounds the sum away from zero to an integer, then to the
format) [its loihi_synapses.py]; nengo's PES with twice its factor. nengo's shift was compared
with a chip, which "seems to learn slightly faster" [pull request 139] and still differs [issue
167].

No public source decides, and here: chance is independent for each synapse and trace (Lava draws one
number for all of them, brian2 and nengo one each); a fraction of an impulse is compared with 8
random bits (Lava: 7, which would round up from a half on); products have all their bits before the
shift (Lava's int32 wraps beyond 31); sums and tags stop at -2^15 and -256 (Lava: one less); r1 has
8 bits with its sign [Davies], is changed by what the host gives it, decays like a trace, and has 8
bits as a factor; traces count at a spike's emission, whatever the synapse's delay (brian2: on
arrival); a unit of Lava's third factor is what Simulation.set_trace writes.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple

import numpy as np

from edge_lp.learning import LONGEST_EPOCH, MOST_FACTORS, TRACES, Factor, Product, Trace
from edge_lp.loihi.limits import LimitError, check_number

BITS = {"x0": 1, "y0": 1, "r0": 1, "r1": 8, "w": 9, "t": 9, **dict.fromkeys(TRACES, 7)}
SUM_BITS = 15
SCALE_BITS = 4
MOST_BITS = 62
CONSTANT = (-256, 255)
_TOKEN = re.compile(r"\s*(?:(\d+)|(sgn|[a-z]\w*)|([-+*^()]))")


class _Token(NamedTuple):
    text: str
    at: int


class _Reader:
    """Reads one rule from left to right; an error says where, what was found and what expected."""

    def __init__(self, name: str, text: str):
        self.name, self.text, self.tokens = name, text, []
        at = 0
        while text[at:].strip():
            m = _TOKEN.match(text, at)
            if m is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise self.error(
                    _Token(text[at], at), "a number, a variable, or one of + - * ^ ( )"
                )
            self.tokens.append(_Token(m[0].strip(), m.end() - len(m[0].strip())))
            at = m.end()
        self.next = 0

    def error(self, found: _Token | None, expected: str) -> LimitError:
        what = f"{found.text!r} at {found.at + 1}" if found else "the end"
        return LimitError(
            f"learning rule {self.name}: {what} of {self.text!r}, expected {expected}"
        )

    def peek(self) -> str:
        return self.tokens[self.next].text if self.next < len(self.tokens) else ""

    def here(self) -> _Token | None:
        return self.tokens[self.next] if self.next < len(self.tokens) else None

    def take(self, *wanted: str) -> str:
        """The next token if it is one of wanted, else ""."""
        text = self.peek()
        if text and text in wanted:
            self.next += 1
            return text
        return ""

    def need(self, wanted: str) -> None:
        if not self.take(wanted):
            raise self.error(self.here(), repr(wanted))

    def number(self) -> tuple[int, int]:
        """m 2^e as (m, e)."""
        if not self.peek().isdigit():
            raise self.error(self.here(), "a number")
        m, start = int(self.tokens[self.next].text), self.here()
        self.next += 1
        if not self.take("^"):
            return m, 0
        if m != 2:
            raise self.error(start, "powers of 2 only")
        sign = -1 if self.take("-", "+") == "-" else 1
        if not self.peek().isdigit():
            raise self.error(self.here(), "an exponent")
        self.next += 1
        return 1, sign * int(self.tokens[self.next - 1].text)

    def sign(self) -> int:
        """Of any signs here."""
        total = 1
        while found := self.take("+", "-"):
            total = -total if found == "-" else total
        return total


class _Scale:
    """m 2^e, gathered from a product's numbers."""

    def __init__(self, sign: int):
        self.m, self.e = sign, 0

    def times(self, m: int, e: int) -> None:
        self.m, self.e = self.m * m, self.e + e

    def fit(self) -> bool:
        """Lava's normal form; and what it leaves out although the chip's fields hold it."""
        while abs(self.m) > 7 and self.m % 2 == 0 and self.e < 8:
            self.m, self.e = self.m // 2, self.e + 1
        while self.e < -7 and self.m % 2 == 0 and self.m:
            self.m, self.e = self.m // 2, self.e + 1
        while self.e > 8 and -4 <= self.m <= 3:
            self.m, self.e = self.m * 2, self.e - 1
        return -8 <= self.m <= 7 and -7 <= self.e <= 8


def _bracket(r: _Reader, scale: _Scale, sgn: bool) -> Factor | None:
    """(variable + constant), or a number in brackets, which goes to the scale."""
    start, variable, constant, numbers = r.here(), "", 0, []
    flip = 1
    while True:
        sign = r.sign()
        if r.peek() in BITS:
            if variable:
                raise r.error(r.here(), "one variable and one number in a bracket")
            variable, flip = r.peek(), sign
            r.next += 1
        else:
            at = r.here()
            if r.peek() and not r.peek().isdigit():
                raise r.error(at, f"one of {', '.join(sorted(BITS))}, or a number")
            m, e = r.number()
            while r.take("*"):
                more = r.number()
                m, e = m * more[0], e + more[1]
            if e < 0 and variable:
                raise r.error(at, "a whole number beside a variable")
            numbers.append((sign * m, e))
        if r.peek() not in ("+", "-"):
            break
    r.need(")")
    if len(numbers) > 1 or (sgn and variable not in ("w", "t")) or not (variable or numbers):
        raise r.error(start, "sgn(w + number) or sgn(t + number)" if sgn else "(variable + number)")
    if not variable:
        scale.times(*numbers[0])
        return None
    if numbers and numbers[0][1] < 0:
        raise r.error(start, "a whole number beside a variable")
    constant = flip * (numbers[0][0] << numbers[0][1] if numbers else 0)
    if not CONSTANT[0] <= constant <= CONSTANT[1]:
        raise r.error(start, f"a number from {CONSTANT[0]} to {CONSTANT[1]} beside a variable")
    if sgn and flip < 0:
        raise r.error(start, "sgn of the variable, not of its negative")
    scale.times(flip, 0)
    return Factor(variable, BITS[variable], constant, sgn)


def _product(r: _Reader, target: str, sign: int, decimate: list[int]) -> Product:
    start, scale, when, gated = r.here(), _Scale(sign), None, False
    factors: list[Factor] = []
    while True:
        at, text = r.here(), r.peek()
        if text.isdigit():
            scale.times(*r.number())
        elif r.take("("):
            f = _bracket(r, scale, False)
            factors += [f] if f else []
        elif r.take("sgn", "sign"):
            r.need("(")
            f = _bracket(r, scale, True)
            factors += [f] if f else []
        elif re.fullmatch("u[0-9]", text):
            r.next += 1
            decimate.append(int(text[1]))
            when, gated = "" if when is None else when, True
        elif text in ("x0", "y0") and when is None:
            r.next += 1
            when = text
        elif text in BITS:
            r.next += 1
            factors.append(Factor(text, BITS[text]))
        elif text in ("d", "dd"):
            raise r.error(at, "w or t (delays do not learn here)")
        else:
            raise r.error(
                at, f"a number, a bracket, sgn(...), u0 to u9, or one of {', '.join(BITS)}"
            )
        if not r.take("*"):
            break
    if when is None:
        raise r.error(start, "x0, y0 or u0 to u9 in every product")
    bits = sum(f.bits for f in factors) + SCALE_BITS
    if len(factors) > MOST_FACTORS or bits > MOST_BITS:
        raise r.error(
            start, f"at most {MOST_FACTORS} factors of {MOST_BITS - SCALE_BITS} bits together"
        )
    if not scale.fit():
        raise r.error(start, "a factor m * 2^e with m from -8 to 7 and e from -7 to 8")
    right = max(0, bits - SUM_BITS)
    left = scale.e + 7
    return Product(target, when, gated, scale.m, right, left, bits, tuple(factors))


def read(name: str, text: str) -> tuple[list[Product], set[int]]:
    """The products of a rule, and the k of its u_k. LimitError says where it cannot be read."""
    if not isinstance(text, str):
        raise LimitError(f"learning rule {name} is {text!r}, expected text such as '2^-2*x1*y0'")
    r = _Reader(name, text)
    decimate: list[int] = []
    products = []
    sign = r.sign()
    while True:
        products.append(_product(r, name[1], sign, decimate))
        if r.here() is None:
            return products, set(decimate)
        if r.peek() not in ("+", "-"):
            raise r.error(r.here(), "'*', '+', '-' or the end")
        sign = r.sign()


@dataclass(frozen=True)
class Rule:
    """How the synapses of a connection learn: connect(..., learning=Rule(dw="2^-2*x1*y0", ...)).

    dw, dt: sums of products that change weights and tags (this module's docstring), None: nothing.
    x1_impulse ... y3_impulse: what a spike adds to a trace, 0..127, in steps of 1/256. x1_tau ...
    y3_tau, r1_tau: time constants in steps, 0: gone after a step, math.inf: no decay. t_epoch:
    steps between changes, 1..63. seed: of the rounding, 0..2^32 - 1. rounding: "stochastic", or
    "nearest" without chance: weights, tags and impulses to the nearest (halves down), traces always
    down, so that they end.
    """

    dw: str | None = None
    dt: str | None = None
    x1_impulse: float = 0
    x1_tau: float = 0
    x2_impulse: float = 0
    x2_tau: float = 0
    y1_impulse: float = 0
    y1_tau: float = 0
    y2_impulse: float = 0
    y2_tau: float = 0
    y3_impulse: float = 0
    y3_tau: float = 0
    r1_tau: float = 0
    t_epoch: int = 1
    seed: int = 0
    rounding: str = "stochastic"

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if not f.name.endswith(("_tau", "_impulse")):
                continue
            most = 127 if f.name.endswith("_impulse") else math.inf
            real = isinstance(value, (int, float, np.integer, np.floating))
            if not real or isinstance(value, bool) or not 0 <= value <= most:
                raise LimitError(f"{f.name} is {value!r}, its limits are 0 and {most}")
        check_number("t_epoch", self.t_epoch, (1, LONGEST_EPOCH))
        check_number("seed", self.seed, (0, 2**32 - 1))
        if self.rounding not in ("stochastic", "nearest"):
            raise LimitError(f"rounding is {self.rounding!r}, expected 'stochastic' or 'nearest'")
        if self.dw is None and self.dt is None:
            raise LimitError("a learning rule without dw and dt, expected at least one")
        if len(self._read[1]) > 1:
            found = ", ".join(f"u{k}" for k in sorted(self._read[1]))
            raise LimitError(f"learning rules with {found}, the chip has one u_k for all products")

    @cached_property
    def _read(self) -> tuple[list[Product], set[int]]:
        both = [read(n, getattr(self, n)) for n in ("dw", "dt") if getattr(self, n) is not None]
        return [p for products, _ in both for p in products], set().union(*(k for _, k in both))

    @property
    def products(self) -> list[Product]:
        """Of dw, then of dt."""
        return self._read[0]

    @property
    def decimate(self) -> int:
        """k of u_k."""
        return max(self._read[1], default=0)

    @property
    def nearest(self) -> bool:
        return self.rounding == "nearest"

    def traces(self) -> dict[str, Trace]:
        """x1 x2 y1 y2 y3 r1. A trace that no spike changes and no product reads is not followed."""
        read = {f.what for p in self.products for f in p.factors}
        out = {}
        for t in (*TRACES, "r1"):
            impulse = 0 if t == "r1" else round(getattr(self, f"{t}_impulse") * 256)
            keep, more = decay_table(getattr(self, f"{t}_tau"))
            # 127 + 255/256 ends at 127 as 127 does
            out[t] = Trace(keep, more, min(impulse, 127 * 256), bool(impulse) or t in read)
        return out


def decay_table(tau: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of each magnitude 0..128: exp(-1/tau) times it, rounded down, and the rest as a chance in
    2^-16, rounded up, so that chance < rest is the same for the double and for the integer."""
    factor = math.exp(-1 / tau) if tau else 0.0
    exact = [factor * v for v in range(129)]
    down = [math.floor(x) for x in exact]
    return tuple(down), tuple(math.ceil((x - d) * 65536) for x, d in zip(exact, down))

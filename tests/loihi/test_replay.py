# SPDX-License-Identifier: Apache-2.0
"""Golden cases: the shared ones of independent emulators where they are at hand, and cases written
here from the NumPy oracle."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from edge_lp import core
from edge_lp.cli import main
from edge_lp.loihi import Network
from edge_lp.loihi.limits import V_CEILINGS, V_FLOORS
from edge_lp.loihi.replay import Case, CaseError, replay
from paths import SHARED
from twins import core as oracle

GOLDEN = SHARED / "golden"
CASES = sorted(GOLDEN.glob("*.npz"))
golden = pytest.mark.skipif(
    not CASES, reason="no golden cases in ../shared/golden beside the project"
)


def network_of(case: Case) -> Network:
    """A case as a Network with one group; its weights are computed from mantissa, bits, sign mode
    and exponent."""
    net = Network(inputs=case.n_in, cores=None)
    g = net.group(
        case.n,
        case.du,
        case.dv,
        threshold=case.vth >> 6,
        bias=case.field("bias_mant"),
        bias_exponent=case.field("bias_exp"),
        refractory=case.refract,
    )
    for what in ("v_min", "v_max"):  # which no register of the chip can give
        object.__setattr__(g, what, getattr(case, what.replace("_", "")))
    for k in range(len(case.field("grp_wexp"))):
        mine = case.field("syn_grp") == k
        from_input = case.field("grp_src_pop")[k] < 0
        src = net.inputs if from_input else g
        place = (case.src[mine] - (0 if from_input else case.n_in), case.dst[mine])
        m, d = np.zeros((src.n, g.n), int), np.zeros((src.n, g.n), int)
        m[place], d[place] = case.field("syn_mant")[mine], case.delay[mine]
        bits = int(case.field("grp_num_weight_bits")[k])
        mode = ["mixed", "excitatory", "inhibitory"][case.field("grp_sign_mode")[k] - 1]
        net.connect(
            src,
            g,
            m,
            bits=8 if bits == 7 else bits,
            sign_mode=mode,
            exponent=int(case.field("grp_wexp")[k]),
            delay=d,
        )
        np.testing.assert_array_equal(net.connections[-1].weights[place], case.w[mine] >> 6)
    return net


@golden
@pytest.mark.parametrize("path", CASES or [GOLDEN], ids=lambda p: p.stem)
def test_shared_cases_match(path) -> None:
    assert replay(path) is None


@golden
@pytest.mark.parametrize(
    "name",
    [
        "b10_mixed_formats",
        "e01_rounding_sweep",
        "e03_q_limits",
        "e06_u_exact_neg",
        "f21_delay_mixed",
        "f25_bias_refr",
        "f30_vmin0",
        "o03_q_wrap",
        "o06_ub_wrap",
        "q01_negexp_lossy",
    ],
)
def test_the_oracle_and_the_network_api_match_them_too(name) -> None:
    case = Case(GOLDEN / f"{name}.npz")
    net = network_of(case)
    stimulus = np.zeros((case.steps, case.n_in), bool)
    stimulus[case.in_t, case.in_axon] = True
    rows = oracle.Core(net).run(case.steps, stimulus)
    assert case.compare({k: r[net.groups[0]] for k, r in rows.items()}) is None
    result = net.run(case.steps, stimulus, ("spikes", "u", "v"))
    assert (
        case.compare({k: getattr(result, k)[net.groups[0]] for k in ("spikes", "u", "v")}) is None
    )


def write_case(
    path: Path, seed: int = 1, wide: bool = False, **changes: object
) -> dict[str, np.ndarray]:
    """A case of 60 compartments, 9 of them probed, whose expected rows are the oracle's. wide:
    int64 rows. changes: arrays put in last."""
    rng, n, n_in, steps = np.random.default_rng(seed), 60, 8, 50
    net = Network(inputs=n_in, cores=None)
    g = net.group(
        n,
        rng.integers(1, 4097, n),
        rng.integers(0, 4097, n),
        threshold=rng.integers(0, 90, n),
        bias=rng.integers(-9, 99, n),
        bias_exponent=rng.integers(0, 8, n),
        refractory=rng.integers(1, 9, n),
        v_min=V_FLOORS[12],
        v_max=V_CEILINGS[3],
    )
    for src in (net.inputs, g):
        net.connect(
            src,
            g,
            rng.integers(-256, 256, (src.n, n)) * (rng.random((src.n, n)) < 0.2),
            exponent=2,
            delay=rng.integers(0, 63, (src.n, n)),
        )
    stimulus = rng.random((steps, n_in)) < 0.3
    rows = {k: v[g] for k, v in oracle.Core(net).run(steps, stimulus).items()}
    places = [np.nonzero(c.mantissas) for c in net.connections]
    probe, dtype = np.sort(rng.choice(n, 9, False)), "<i8" if wide else "<i4"
    arrays = dict(
        T=steps,
        N=n,
        n_in=n_in,
        pop_start=[0, n],
        delta_u=g.decay_u,
        delta_v=g.decay_v,
        vth_mant=g.threshold,
        bias_mant=g.bias,
        bias_exp=g.bias_exponent,
        refract=g.refractory,
        vmin=g.v_min,
        vmax=g.v_max,
        syn_src=np.concatenate([places[0][0], places[1][0] + n_in]),
        syn_dst=np.concatenate([p[1] for p in places]),
        syn_w=np.concatenate([oracle.weights(c)[p] * 64 for c, p in zip(net.connections, places)]),
        syn_delay=np.concatenate([c.delays[p] for c, p in zip(net.connections, places)]),
        in_t=np.nonzero(stimulus)[0],
        in_idx=np.nonzero(stimulus)[1],
        n_out=1,
        loihi1_out=0,
        probe_idx=probe,
        out0_spk_t=np.nonzero(rows["spikes"])[0],
        out0_spk_i=np.nonzero(rows["spikes"])[1],
    )
    for q, row_type in (("u", dtype), ("v", dtype), ("spikes", "u1")):
        arrays[f"out0_{q[0]}_crc"] = [zlib.crc32(r.astype(row_type).tobytes()) for r in rows[q]]
    arrays |= {f"out0_{q}": rows[q][:, probe].astype(dtype) for q in ("u", "v")}
    arrays = {k: np.asarray(v) for k, v in (arrays | changes).items()}
    np.savez_compressed(path, **arrays)
    return arrays


@pytest.mark.parametrize("wide", [False, True])
def test_cases_of_the_oracle_match(tmp_path, wide) -> None:
    for seed in range(3):
        arrays = write_case(tmp_path / "case.npz", seed, wide)
        assert replay(tmp_path / "case.npz") is None and len(arrays["out0_spk_t"]) > 50


def test_the_first_difference_is_told(tmp_path) -> None:
    path = tmp_path / "case.npz"
    good = write_case(path)

    def told(**changes) -> str:
        write_case(path, **changes)
        result = CliRunner().invoke(main, ["loihi", "replay", str(path)])
        assert result.exit_code == 1
        return result.output.strip()

    u, crc, probe = good["out0_u"].copy(), good["out0_v_crc"].copy(), good["probe_idx"]
    u[30, 4] += 1
    u[40, 2] += 1
    assert (
        told(out0_u=u)
        == f"case step 30, compartment {probe[4]}, u: expected {u[30, 4]}, got {u[30, 4] - 1}"
    )
    crc[7] ^= 1
    assert (
        told(out0_v_crc=crc)
        == f"case step 7, v, row checksum: expected {crc[7]:08x}, got {crc[7] ^ 1:08x}"
    )
    t, i = int(good["out0_spk_t"][3]), int(good["out0_spk_i"][3])
    without = {k: np.delete(good[k], 3) for k in ("out0_spk_t", "out0_spk_i")}
    assert told(**without) == f"case step {t}, compartment {i}, spikes: expected 0, got 1"
    assert told(delta_u=np.r_[good["delta_u"][:-1], good["delta_u"][-1] // 2]).startswith(
        "case step "
    )


def test_exit_codes(tmp_path) -> None:
    write_case(tmp_path / "a.npz")
    ok = CliRunner().invoke(main, ["loihi", "replay", str(tmp_path / "a.npz")])
    assert (ok.exit_code, ok.output) == (0, "a match\n")
    for bad in (tmp_path / "none.npz", tmp_path, Path(__file__)):
        result = CliRunner().invoke(main, ["loihi", "replay", str(bad)])
        assert (
            result.exit_code == 2 and result.output.count("\n") == 1 and str(bad) in result.output
        )


def test_damage_is_a_case_error(tmp_path) -> None:
    """Cut anywhere, or any byte changed: a match (zip does not check every byte), a difference or
    one line. Nothing else."""
    path, rng = tmp_path / "case.npz", np.random.default_rng(3)
    write_case(path)
    data, failed = path.read_bytes(), 0
    damaged = [data[:n] for n in rng.integers(0, len(data), 40)]
    for at in rng.integers(0, len(data), 200):
        damaged.append(data[:at] + bytes([data[at] ^ int(rng.integers(1, 256))]) + data[at + 1 :])
    for bytes_ in damaged:
        path.write_bytes(bytes_)
        try:
            replay(path)
        except CaseError as e:
            failed += 1
            assert "\n" not in str(e) and str(path) in str(e)
    assert failed > 150


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"T": 0}, "T reaches from 0 to 0, expected 1"),
        ({"N": 10**9}, "N reaches"),
        ({"T": 2**31 - 1}, "at most"),
        ({"delta_u": np.full(60, 4097)}, "4097"),
        ({"delta_v": np.zeros(59, int)}, r"shape \(59,\), expected \(60,\)"),
        ({"syn_dst": np.zeros(3, int)}, "syn_dst has shape"),
        ({"syn_w": np.array([[1]])}, "syn_w"),
        ({"refract": np.zeros(60, int)}, "refract reaches from 0"),
        ({"vmax": 2**23}, "vmax"),
        ({"in_idx": np.zeros(1, int)}, "in_idx"),
        ({"loihi1_out": 1}, "loihi1_out"),
        ({"vmin": 0.5}, "type float64"),
        ({"out0_u": np.zeros((2, 2), int)}, "out0_u"),
        ({"out0_spk_t": np.array([99])}, "out0_spk_t"),
        ({"N": np.array(["x"])}, "expected integers"),
    ],
)
def test_contradictions_are_told(tmp_path, changes, told) -> None:
    write_case(tmp_path / "case.npz", **changes)
    with pytest.raises(CaseError, match=told):
        replay(tmp_path / "case.npz")


def test_weights_of_the_shared_examples() -> None:
    """loihi-core's examples: mixed 8 and 3 bits, excitatory 3 bits, 1 bit."""

    def grid(bits: int, mode: int, lo: int, hi: int) -> set[int]:
        return {core.weight(m, bits, mode, 0) for m in range(lo, hi + 1)}

    assert grid(8, 1, -256, 255) == set(range(-256, 255, 2))
    assert grid(3, 1, -256, 255) == {64 * k for k in range(-4, 4)}
    assert grid(3, 2, 0, 255) == set(range(0, 225, 32))
    assert grid(1, 1, -256, 255) == {-256, 0}
    assert core.weight(-256, 8, 1, 7) == -32767

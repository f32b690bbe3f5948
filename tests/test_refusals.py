"""What a user can get wrong: one clear message, exit code 2, no traceback, and nothing written."""

from __future__ import annotations

import dataclasses

import pytest
from conftest import verb
from synthetic import recording

from collect import plan
from collect.recording import write

pytestmark = pytest.mark.slow

CONFIG = """
name: short
segments:
  - {name: a, kind: chirp, duration: 2, amplitude: [0.1], f0: 0.5, f1: [5], kp: [25], kd: [0.5]}
"""
HEADER = ",".join(["time", *(f"{name}_{joint}" for name in ("q", "q_target") for joint in range(12))])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files that are wrong, each in its own way."""
    made = tmp_path_factory.mktemp("wrong")
    (made / "typo.yaml").write_text(CONFIG.replace("amplitude", "amplitud"))
    (made / "empty.yaml").write_text("name: short\nsegments: []\n")
    (made / "large.yaml").write_text(CONFIG.replace("[0.1]", "[1.5]").replace("f1: [5]", "f1: [1.5]"))
    (made / "good.yaml").write_text(CONFIG)
    assert verb("collect", "plan", made / "good.yaml", "--out", made / "good.plan").returncode == 0
    good = plan.load(made / "good.plan")
    plan.save(dataclasses.replace(good, q=good.q + 1.5), made / "bold.plan")  # as one of other limits would be
    raw = bytearray((made / "good.plan").read_bytes())
    raw[-100] ^= 1
    (made / "changed.plan").write_bytes(raw)
    (made / "text.h5").write_text("not HDF5")
    write(recording("flipped"), made / "flipped.h5")
    raw = bytearray((made / "flipped.h5").read_bytes())
    raw[len(raw) // 2] ^= 1
    (made / "flipped.h5").write_bytes(raw)
    rows = "\n".join(",".join(["%.3f" % (0.002 * k), *["nan" if k == 3 else "0.1"] * 24]) for k in range(9))
    (made / "nan.csv").write_text(f"{HEADER}\n{rows}\n")
    (made / "stranger").mkdir()
    return made


CASES = {
    "no such config": (("collect", "plan", "{}/absent.yaml", "--out", "{}/x"), "cannot read the configuration"),
    "a typo in a config": (("collect", "plan", "{}/typo.yaml", "--out", "{}/x"), "did you mean amplitude?"),
    "an empty plan": (("collect", "plan", "{}/empty.yaml", "--out", "{}/x"), "segments is empty"),
    "too large a motion": (("collect", "plan", "{}/large.yaml", "--out", "{}/x"), " rad, allowed "),
    "a plan changed by a bit": (("collect", "run", "{}/changed.plan", "--interface", "lo"), "SHA-256 does not match"),
    "no such plan": (("collect", "run", "{}/absent.plan", "--interface", "lo"), "cannot read the plan"),
    "no such interface": (("collect", "run", "{}/good.plan", "--interface", "enp9s0"), "error: P1 "),
    "a plan beyond the limits": (("collect", "run", "{}/bold.plan", "--interface", "lo"), "predicted position "),
    "no such domain": (
        ("collect", "run", "{}/good.plan", "--interface", "lo", "--domain", "4294967296"),
        "there is no DDS domain",
    ),
    "a guard that sleeps": (
        ("collect", "guard", "--interface", "lo", "--silence", "nan"),
        "a silence of nan s cannot be borne",
    ),
    "a guard that sleeps long": (
        ("collect", "guard", "--interface", "lo", "--silence", "3600"),
        "choose 0.02 to 0.1 s",
    ),
    "a robot's own loopback": (
        ("collect", "run", "{}/good.plan", "--interface", "lo", "--domain", "0", "--acceptance", "{}/absent.yaml"),
        "P17 this robot has no acceptance measurements",
    ),
    "not a recording": (("collect", "check", "{}/text.h5"), "not a readable recording"),
    "a flipped bit": (("collect", "check", "{}/flipped.h5"), "SHA-256 is not the one"),
    "an empty folder": (("collect", "check", "{}/stranger"), "no recording"),
    "not a journal": (("collect", "recover", "{}/good.plan"), "not a journal"),
    "the wrong layout": (
        ("collect", "convert", "{}/nan.csv", "--layout", "katari16", "--out", "{}/x"),
        "not a .pt file of this layout",
    ),
    "NaN in data": (
        ("collect", "convert", "{}/nan.csv", "--layout", "csv", "--kp", "20", "--kd", "1", "--out", "{}/x"),
        "q of FR_hip is not finite in row 3",
    ),
    "a map of other columns": (
        (
            "collect",
            "convert",
            "{}/nan.csv",
            "--layout",
            "csv",
            "--columns",
            "configs/collect/columns.yaml",
            "--out",
            "{}/x",
        ),
        "the header has no column 'stamp'",
    ),
    "preparing damage": (("identify", "prepare", "{}/flipped.h5", "--out", "{}/x.npz"), "SHA-256 is not the one"),
    "looking through nothing": (("identify", "lint", "{}/stranger"), "no recording"),
    "searching with a typo": (
        ("identify", "search", "{}/typo.yaml", "--data", "{}/text.h5", "--study", "{}/x.log"),
        "step is missing",
    ),
    "training on damage": (
        ("identify", "train", "configs/identify/mlp.yaml", "--data", "{}/flipped.h5", "--out", "{}/x"),
        "SHA-256 is not the one",
    ),
    "judging without a run": (("identify", "evaluate", "{}/stranger", "--data", "{}/text.h5"), "not a run"),
    "replaying without a run": (("identify", "replay", "{}/stranger", "{}/text.h5"), "not a run"),
    "exporting without a run": (
        ("deploy", "export", "{}/stranger", "--kp", "25", "--kd", "1", "--out", "{}/x"),
        "not a run",
    ),
    "verifying without a bundle": (("deploy", "verify", "{}/stranger"), "not a bundle"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_one_clear_refusal(case, folder):
    """What, where, how to fix."""
    arguments, message = CASES[case]
    before = sorted(folder.rglob("*"))
    done = verb(*(argument.format(folder) for argument in arguments))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert f"\n{done.stderr}".count("\nerror: ") == 1
    assert "\n  where: " in done.stderr
    assert "\n  fix:   " in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(folder.rglob("*")) == before

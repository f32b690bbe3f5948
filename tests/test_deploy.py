"""Deploy: what is exported behaves in Isaac Lab as it was trained, and anything else is refused."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, verb
from moved import PERFECT
from real_isaaclab import RealActuator

from collect.errors import UserError
from collect.joints import NAMES
from deploy import bundle, export, fold, golden, isaaclab
from deploy.isaaclab import GOLDEN_TORQUES, GOLDEN_WEIGHTS, LSTMActuator, MLPActuator
from deploy.verify import verify
from identify import runs
from identify.features import Features
from identify.models import build
from identify.parameters import Fitted, Margins, Parameters, save
from identify.runs import Baselines, Facts, Gains, Ranges, Source
from identify.settings import LSTMShape, MLPShape, StatelessShape, TrainConfig

pytestmark = pytest.mark.slow

SMALL = {
    "mlp": TrainConfig(features=Features(0.005, (0.0, 0.005, 0.010)), mlp=MLPShape(hidden=16, layers=2)),
    "identity": TrainConfig(
        features=Features(0.002, (0.0, 0.002, 0.004), joint_identity=True), mlp=MLPShape(hidden=16, layers=2)
    ),
    "kind": TrainConfig(
        features=Features(0.002, (0.0, 0.002, 0.004), kind_identity=True), mlp=MLPShape(hidden=16, layers=2)
    ),
    "rates": TrainConfig(
        features=Features(0.005, (0.0, 0.005), position_rate=True, velocity=True, joint_identity=True),
        mlp=MLPShape(hidden=8, layers=2),
    ),
    "per kind": TrainConfig(
        features=Features(0.005, (0.0, 0.005), kind_identity=True), mlp=MLPShape(hidden=8, layers=2, per_kind=True)
    ),
    "lstm": TrainConfig(features=Features(0.005), lstm=LSTMShape(hidden=8, layers=2)),
}
UNSERVED = {
    "gru": TrainConfig(features=Features(0.005), gru=LSTMShape(hidden=8)),
    "stateless_lstm": TrainConfig(
        features=Features(0.005, (0.0, 0.005, 0.010)), stateless_lstm=StatelessShape(hidden=8)
    ),
}


OF_A_BODY = ("armature", "viscous", "dry")
FITTED = Fitted(
    Parameters(
        **{field.name: (0.5,) * 12 for field in dataclasses.fields(Parameters) if field.name not in OF_A_BODY},
        **{name: tuple(0.01 * (place + 1) + 0.001 * j for j in range(12)) for place, name in enumerate(OF_A_BODY)},
    ),
    Margins(**{field.name: (None,) * 12 for field in dataclasses.fields(Margins)}),
    (),
    (0.001,) * 12,
    (),
)


def make_run(path: Path, kind: str) -> runs.Run:
    """A run with random weights and random scales, trained on kp 20 to 40 and kd 0.5 to 2."""
    config = (SMALL | UNSERVED)[kind]
    torch.manual_seed(3)
    model = build(config)
    for name, buffer in model.named_buffers():
        buffer.copy_(torch.rand_like(buffer) * 5.0 + (20.0 if name == "output_scale" else 3.0))
    ranges = [Ranges((low, high), (low, high), (low, high)) for low, high in ((20.0, 40.0), (0.5, 2.0))]
    path.mkdir(parents=True)
    from collect.config import dump

    (path / "config.yaml").write_text(dump(config))
    runs.write_tensors(path / "best.pt", model.state_dict())
    facts = Facts(
        kind=config.kind,
        label="tau_est",
        seed=0,
        sources=(Source("x", "0" * 64),),
        split=(),
        gains=Gains(*ranges),
        baselines=Baselines(0.006, (0.006, 0.006), PERFECT, (0.0,) * config.features.width, 0.0),
        versions=("torch 2.13.0",),
        best_sha256=runs.sha256_of(path / "best.pt"),
    )
    runs.write_facts(path, facts)
    return runs.load(path)


@pytest.fixture(params=list(SMALL))
def run(request, tmp_path) -> runs.Run:
    """One of each kind of net."""
    return make_run(tmp_path / "run", request.param)


def exported(run: runs.Run, tmp_path: Path, kp=(25.0,), kd=(1.0,)) -> tuple[Path, bundle.Manifest]:
    folder = tmp_path / "bundle"
    return folder, export.export(run, kp, kd, folder)


class TestEmulation:
    """deploy.isaaclab is held equal to the real classes."""

    def test_the_golden_vector(self):
        """Order, sign, newest first, zero history: as measured on four releases."""
        assert isaaclab.golden_torques() == pytest.approx(GOLDEN_TORQUES)

    def test_the_real_mlp_class_answers_the_golden_vector(self, tmp_path):
        """The same vector through isaaclab's own ActuatorNetMLP."""

        class Weights(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("w", torch.tensor(GOLDEN_WEIGHTS)[:, None])

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x @ self.w

        fold.save(Weights(), tmp_path / "w.pt")
        real = RealActuator("ActuatorNetMLP", tmp_path / "w.pt", 1, 1, (0, 1, 2))
        answers = [float(real.compute(torch.full((1, 1), float(k)), torch.full((1, 1), -0.1 * k))) for k in range(1, 5)]
        assert answers == pytest.approx(GOLDEN_TORQUES, rel=1e-6)

    def test_the_real_classes_take_the_export_and_agree_step_by_step(self, run, tmp_path):
        """With some environments reset on the way."""
        folder, manifest = exported(run, tmp_path)
        net = manifest.nets[-1]
        joints = len(net.joints)
        if run.kind == "mlp":
            real = RealActuator("ActuatorNetMLP", folder / net.file, 4, joints, manifest.input_idx)
            ours = MLPActuator(fold.load(folder / net.file), 4, joints, manifest.input_idx)
        else:
            real = RealActuator("ActuatorNetLSTM", folder / net.file, 4, joints)
            ours = LSTMActuator(fold.load(folder / net.file), 4, joints)
        with np.load(folder / bundle.GOLDEN) as stored:
            kept = {name: torch.from_numpy(stored[f"{net.file}/{name}"]) for name in ("error", "speed", "torque")}
        for k in range(golden.STEPS):
            if k == golden.RESET_AT:
                real.reset(list(golden.RESET_ENVS))
                ours.reset(torch.tensor(golden.RESET_ENVS))
            theirs = real.compute(kept["error"][k], kept["speed"][k])
            torch.testing.assert_close(theirs, ours.compute(kept["error"][k], kept["speed"][k]), atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(theirs, kept["torque"][k], atol=1e-4, rtol=1e-4)
        assert kept["torque"].std() > 0.1


class TestExport:
    """What a bundle holds."""

    def test_a_good_bundle_verifies(self, run, tmp_path):
        """Every check, with an error within float32's."""
        proof = verify(exported(run, tmp_path)[0])
        assert proof.passed, proof.checks
        assert proof.max_abs_error < 1e-4
        assert set(proof.checks) >= {"hashes", "column_order", "reset", "equals_trained_net", "output_shape"}

    def test_files_and_groups(self, tmp_path):
        """One file without identity, three with gains per kind or a net that is told the kind, twelve with identity."""
        run = make_run(tmp_path / "run", "mlp")
        _, manifest = exported(run, tmp_path / "a")
        assert [net.file for net in manifest.nets] == ["go2_all_mlp.pt"]
        assert [group.name for group in manifest.groups] == ["hip", "thigh", "calf"]
        assert [group.saturation_effort for group in manifest.groups] == [23.7, 23.7, 45.43]
        _, manifest = exported(run, tmp_path / "b", kp=(20.0, 25.0, 30.0))
        assert [(net.kp, len(net.joints)) for net in manifest.nets] == [(20.0, 4), (25.0, 4), (30.0, 4)]
        _, manifest = exported(make_run(tmp_path / "kinds", "kind"), tmp_path / "d")
        assert [net.file for net in manifest.nets] == [f"go2_{kind}_mlp.pt" for kind in ("hip", "thigh", "calf")]
        _, manifest = exported(make_run(tmp_path / "run2", "identity"), tmp_path / "c")
        assert [net.joints for net in manifest.nets] == [(name,) for name in NAMES]

    def test_held_targets_are_told(self, tmp_path, monkeypatch):
        """In the manifest, and as the decimation of a policy that holds its targets so."""
        features = Features(0.005, (0.0, 0.005, 0.010), target_hold=0.02)
        monkeypatch.setitem(SMALL, "held", TrainConfig(features=features, mlp=MLPShape(hidden=4, layers=1)))
        folder, manifest = exported(make_run(tmp_path / "held", "held"), tmp_path / "a")
        assert bundle.open_bundle(folder).target_hold == manifest.target_hold == 0.02
        assert "Trained on targets held for 20 ms (decimation = 4)." in (folder / "actuators.py").read_text()
        folder, manifest = exported(make_run(tmp_path / "plain", "mlp"), tmp_path / "b")
        assert manifest.target_hold == 0.0
        assert "decimation" not in (folder / "actuators.py").read_text()

    def test_folded_gains_matter(self, tmp_path):
        """Other gains, other torques: they are really inside."""
        run = make_run(tmp_path / "run", "mlp")
        x = torch.randn(50, 6)
        a, b = (fold.FoldedMLP(run.model, run.features, kp, 1.0, torch.zeros(0))(x) for kp in (25.0, 40.0))
        assert (a - b).abs().max() > 0.01

    def test_calves_get_the_kd_that_their_motors_close(self, tmp_path):
        """Of the .5 that a policy commands .459, where the robot that it learned from makes so much of it."""
        plain = make_run(tmp_path / "run", "mlp")
        real = dataclasses.replace(plain, facts=dataclasses.replace(plain.facts, kd_in_steps=True))
        folder, manifest = exported(real, tmp_path, kd=(0.5,))
        kept = {net.joints[0]: (net.kd_commanded, net.kd) for net in manifest.nets}
        assert kept["FR_hip"] == kept["FR_thigh"] == (0.5, 0.5)
        assert kept["FR_calf"] == (0.5, pytest.approx(0.4593, abs=1e-4))
        assert verify(folder).passed
        alike = export.export(plain, (25.0,), (0.5,), tmp_path / "alike")
        assert [(net.kd_commanded, net.kd) for net in alike.nets] == [(0.5, 0.5)]

    def test_what_was_fitted_goes_beside_the_net(self, tmp_path):
        """Armature and friction of turning joints, each joint's own, with the hash of where they are from."""
        run, file = make_run(tmp_path / "run", "mlp"), tmp_path / "parameters.yaml"
        save(FITTED, file)
        manifest = export.export(run, (25.0,), (1.0,), tmp_path / "bundle", parameters=file)
        held = {name: group for group in manifest.groups for name in group.joints}
        for name in NAMES:
            group, at = held[name], held[name].joints.index(name)
            values = (group.armature[at], group.viscous_friction[at], group.dry_friction[at])
            assert values == tuple(getattr(FITTED.parameters, what)[NAMES.index(name)] for what in OF_A_BODY)
        assert manifest.parameters_sha256 == runs.sha256_of(file)
        assert "as `identify fit` found them" in (tmp_path / "bundle" / bundle.SNIPPET).read_text()
        assert exported(run, tmp_path / "other")[1].parameters_sha256 == ""
        joint = dataclasses.replace(run, facts=dataclasses.replace(run.facts, label="tau_joint"))
        with pytest.raises(UserError, match="holds the friction itself"):
            export.export(joint, (25.0,), (1.0,), tmp_path / "joint", parameters=file)

    def test_the_snippet_is_python_and_names_every_joint(self, run, tmp_path):
        """It compiles, and each joint is in exactly one group."""
        source = (exported(run, tmp_path)[0] / bundle.SNIPPET).read_text()
        compile(source, "actuators.py", "exec")
        assert all(source.count(f"'{name}_joint'") >= 1 for name in NAMES)

    def test_gains_outside_of_training_are_refused_or_recorded(self, tmp_path):
        """With the range, and `extrapolated` in the manifest when insisted on."""
        run = make_run(tmp_path / "run", "mlp")
        with pytest.raises(UserError, match=r"kd 3 of hip lies outside of the trained 0\.5 to 2"):
            export.export(run, (25.0,), (3.0,), tmp_path / "b")
        assert not (tmp_path / "b").exists()
        assert export.export(run, (25.0,), (3.0,), tmp_path / "b", extrapolate=True).extrapolated
        assert json.loads((tmp_path / "b" / "manifest.json").read_text())["extrapolated"] is True
        assert not export.export(run, (25.0,), (1.0,), tmp_path / "c").extrapolated

    @pytest.mark.parametrize(
        ("kp", "message"), [((1.0, 2.0), "1, 3"), ((-1.0,), "positive"), ((float("nan"),), "positive")]
    )
    def test_nonsense_gains_are_refused(self, tmp_path, kp, message):
        """Two values, negative, NaN."""
        with pytest.raises(UserError, match=message):
            export.export(make_run(tmp_path / "run", "mlp"), kp, (1.0,), tmp_path / "b")

    def test_a_bundle_is_never_overwritten(self, run, tmp_path):
        """Refused, untouched."""
        folder, _ = exported(run, tmp_path)
        before = sorted((path.name, path.read_bytes()) for path in folder.iterdir())
        with pytest.raises(UserError, match="never overwritten"):
            export.export(run, (25.0,), (1.0,), folder)
        assert sorted((path.name, path.read_bytes()) for path in folder.iterdir()) == before

    @pytest.mark.parametrize("kind", UNSERVED)
    def test_a_net_that_no_simulator_calls_is_refused(self, kind, tmp_path):
        """What, where, and which nets are called; nothing is written."""
        with pytest.raises(UserError, match=f"no simulator calls a {kind}") as refusal:
            exported(make_run(tmp_path / "run", kind), tmp_path)
        assert "train with `mlp:` or `lstm:`" in str(refusal.value)
        assert not (tmp_path / "bundle").exists()

    def test_lags_that_no_simulator_keeps_are_refused(self, tmp_path, monkeypatch):
        """7 ms is not a multiple of a 5 ms step."""
        odd = TrainConfig(features=Features(0.005, (0.0, 0.007)), mlp=MLPShape(hidden=4, layers=1))
        monkeypatch.setitem(SMALL, "odd", odd)
        with pytest.raises(UserError, match="0, 7 ms"):
            export.export(make_run(tmp_path / "run", "odd"), (25.0,), (1.0,), tmp_path / "b")


def rehash(folder: Path) -> None:
    """Make the manifest agree with tampered files, as a careless export would."""
    tree = json.loads((folder / bundle.MANIFEST).read_text())
    for file in tree["files"]:
        file["sha256"] = runs.sha256_of(folder / file["name"])
    (folder / bundle.MANIFEST).write_text(json.dumps(tree))


class TestVerify:
    """A wrong export turns a check red."""

    class Mutant(torch.nn.Module):
        """An exported MLP with one mistake."""

        def __init__(self, inner, mistake: str) -> None:
            super().__init__()
            self.inner, self.mistake = inner, mistake

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.mistake == "sign":
                x = torch.cat([-x[:, :3], x[:, 3:]], dim=1)
            if self.mistake == "blocks":
                x = torch.cat([x[:, 3:], x[:, :3]], dim=1)
            if self.mistake == "oldest first":
                x = torch.cat([x[:, :3].flip(1), x[:, 3:].flip(1)], dim=1)
            if self.mistake == "no past":
                x = torch.cat([x[:, :1].expand(-1, 3), x[:, 3:4].expand(-1, 3)], dim=1)
            out = self.inner(x)
            if self.mistake == "nan":
                out = torch.where(x[:, :1] > 1.0, torch.full_like(out, float("nan")), out)
            if self.mistake == "batch":
                out = out - out.mean()
            if self.mistake == "shape":
                out = out.unsqueeze(0)
            return out

    @pytest.mark.parametrize(
        ("mistake", "red"),
        [
            ("none", None),
            ("sign", "equals_trained_net"),
            ("blocks", "equals_trained_net"),
            ("oldest first", "equals_trained_net"),
            ("no past", "remembers"),
            ("nan", "finite"),
            ("batch", "batch_permutation"),
            ("shape", "output_shape"),
        ],
    )
    def test_each_mistake_is_seen(self, tmp_path, mistake, red):
        """By the check that is meant for it; without a mistake all pass."""
        folder, manifest = exported(make_run(tmp_path / "run", "mlp"), tmp_path)
        file = folder / manifest.nets[0].file
        fold.save(self.Mutant(fold.load(file), mistake), file)
        rehash(folder)
        proof = verify(folder)
        if red is None:
            assert proof.passed
        elif mistake == "batch":
            assert not proof.checks["equals_trained_net"]
        else:
            assert not proof.checks[red], proof.checks

    def test_other_gains_than_the_manifest_says_are_seen(self, tmp_path):
        """Gains swapped behind the manifest's back."""
        run = make_run(tmp_path / "run", "mlp")
        folder, manifest = exported(run, tmp_path)
        fold.save(fold.FoldedMLP(run.model, run.features, 1.0, 25.0, torch.zeros(0)), folder / manifest.nets[0].file)
        rehash(folder)
        assert not verify(folder).checks["equals_trained_net"]

    def test_a_flipped_bit_is_refused_before_anything_is_loaded(self, run, tmp_path):
        """TorchScript can run code at load."""
        folder, manifest = exported(run, tmp_path)
        for name in (manifest.nets[0].file, bundle.GOLDEN):
            raw = bytearray((folder / name).read_bytes())
            raw[len(raw) // 2] ^= 1
            (folder / name).write_bytes(raw)
            with pytest.raises(UserError, match=f"{name} is not the file"):
                verify(folder)
            raw[len(raw) // 2] ^= 1
            (folder / name).write_bytes(raw)
        assert verify(folder).passed

    def test_a_stranger_is_not_a_bundle(self, tmp_path):
        """An empty folder, and a manifest that is not ours."""
        with pytest.raises(UserError, match="not a bundle"):
            verify(tmp_path)
        (tmp_path / bundle.MANIFEST).write_text('{"format": "something else"}')
        with pytest.raises(UserError, match="format must be"):
            verify(tmp_path)


def test_the_verbs(tmp_path):
    """Export and verify as a user types them; JSON with the promised keys; refusals are exit code 2."""
    make_run(tmp_path / "run", "lstm")
    done = verb(
        "deploy", "export", tmp_path / "run", "--for", "isaaclab", "--kp", 25, "--kd", 1, "--out", tmp_path / "b"
    )
    assert done.returncode == 0, done.stderr
    done = verb("deploy", "verify", tmp_path / "b", "--json", tmp_path / "v.json")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    proof = json.loads((tmp_path / "v.json").read_text())
    assert proof["max_abs_error"] < 1e-4
    assert all(proof["checks"].values())
    done = verb("deploy", "export", tmp_path / "run", "--kp", 25, "--kd", 9, "--out", tmp_path / "c")
    assert done.returncode == 2
    assert done.stderr.startswith("error: kd 9 of hip lies outside")


class TestForeignIdentify:
    """PyPI's `identify` must never be taken for ours."""

    @pytest.fixture
    def foreign(self, tmp_path) -> Path:
        """A package of that name, as pre-commit installs it."""
        (tmp_path / "identify").mkdir()
        (tmp_path / "identify" / "__init__.py").write_text("")
        return tmp_path

    def test_it_is_refused_with_the_way_out(self, foreign):
        """Importing deploy says what was found, and how to fix it."""
        script = f"import sys; sys.path[:0] = [{str(foreign)!r}]; sys.path.append({str(ROOT)!r}); import deploy"
        done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert str(foreign / "identify" / "__init__.py") in done.stderr
        assert "run from the checkout" in done.stderr

    def test_from_the_checkout_ours_wins(self, foreign):
        """`python -m` puts the checkout first, whatever is installed."""
        done = subprocess.run(
            [sys.executable, "-c", "import deploy, identify; print(identify.__file__)"],
            cwd=ROOT, env={"PYTHONPATH": str(foreign), "PATH": ""}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        # PYTHONPATH comes after the current folder and before site-packages.
        assert done.stdout.strip() == str(ROOT / "identify" / "__init__.py"), done.stderr

"""Each check and each means of the loop and the guard, taken away: (promise, file, text, replacement, test)."""

import shlex

from variants import AT_THE_ROBOT, INSIDE

_CHECKS, _DEATHS = "tests/faults/test_checks.py", "tests/faults/test_deaths.py"
_ROBOT, _INSIDE = (f"{_CHECKS}::test_a_fault_{where}_stops_the_session" for where in ("at_the_robot", "inside"))


def _without(code: str, test: str) -> tuple[str, str, str, str, str]:
    """A check of the table that is never evaluated."""
    skipped = f'    for check in checks:\n        if check.code == "{code}":\n            continue\n'
    return code, "collect/safety.py", "    for check in checks:\n", skipped, test


def _inside(code: str) -> list[str]:
    """The tests of a check's faults inside the process."""
    return [
        shlex.quote(f"{_INSIDE}[{check}-{module}-{change[:40]}]") for check, module, change in INSIDE if check == code
    ]


_PLANS = "tests/faults/test_plans.py"
_COMMANDS = "tests/test_safety.py::test_no_command_leaves_the_ceilings_of_a_plan"
_REFUSED = "tests/test_refusals.py::test_a_mistake_is_one_clear_refusal"
_SESSION = "tests/test_session.py::test_the_recording_is_what_the_robot_did"

MUTANTS = (
    ("D4", "collect/control.py", "TRANSIT = 0.0003\n", "TRANSIT = 0.0023\n", _SESSION),
    *(_without(code, shlex.quote(f"{_ROBOT}[{code}-{lines}-{bound}]")) for code, lines, bound in AT_THE_ROBOT),
    _without("L8", f"{_CHECKS}::test_a_joint_that_is_held_fast_stops_the_session"),
    _without("L9", f"{_CHECKS}::test_a_warm_motor_goes_home_first"),
    _without("L12", f"{_CHECKS}::test_a_loop_that_slept"),
    _without("L12", f"{_CHECKS}::test_a_loop_that_is_late_too_often"),
    _without("L12", f"{_CHECKS} -k test_a_loop_whose_own_process_held_it_up"),
    _without("L11", f"{_CHECKS}::test_a_writer_that_was_silent_stops_the_session"),
    _without("L18", f"{_CHECKS}::test_a_disk_that_fails_goes_home"),
    _without("L18", f"{_CHECKS}::test_a_slow_disk_goes_home_and_never_delays_the_loop"),
    (
        "L11",
        "collect/lookout.py",
        "            watch.others += len(self._link.new_writers(LOWCMD) - self._known)\n",
        "            self._link.new_writers(LOWCMD)\n",
        f"{_CHECKS}::test_a_new_writer_stops_the_session",
    ),
    (
        "L19",
        "collect/motion.py",
        'statistics["clock_step"] = time.time() - time.monotonic() - wall',
        'statistics["clock_step"] = 0.0',
        f"{_CHECKS}::test_what_is_no_reason_to_stop",
    ),
    *(_without("L20", test) for test in _inside("L20")),
    _without("S7", f"{_DEATHS}::test_s7_the_guard_is_killed"),
    _without("S7", f"{_DEATHS}::test_s7_the_guard_hangs"),
    *(
        (
            "L13",
            "collect/control.py",
            "        except Exception as error:  # whatever it is, the legs must be damped\n",
            "        except UnicodeError as error:\n",
            test,
        )
        for test in _inside("L13")
    ),
    *(
        (
            "L14",
            "collect/control.py",
            "        if not permitted(frame, self._before[0], program.step * passed):\n",
            "        if False:\n",
            test,
        )
        for test in _inside("L14")
    ),
    ("L14", "collect/permitted.py", "in_range & near |", "in_range |", _inside("L14")[-1]),
    ("L14", "collect/permitted.py", "in_range & near |", "near |", _COMMANDS),
    ("L14", "collect/permitted.py", " & np.isfinite(frame.q)", "", _COMMANDS),
    ("L14", "collect/permitted.py", " & gains", "", _PLANS),
    (
        "L15",
        "collect/control.py",
        'raise StopError(f"L15 DDS write failed: {error}") from error',
        "pass",
        *_inside("L15"),
    ),
    (
        "L15",
        "collect/damping.py",
        "            sent = True\n            beat()\n",
        "            sent = True\n        beat()\n",
        f"{_CHECKS}::test_the_guard_takes_over_where_control_can_send_nothing",
    ),
    (
        "L5",
        "collect/control.py",
        'self._flags |= DROPPED | (BAD_CRC if why == "crc" else 0)',
        "self._flags |= DROPPED",
        f"{_CHECKS}::test_what_is_no_reason_to_stop",
    ),
    ("L5", "collect/control.py", "self.progress.corrupt += 1", "pass", f"{_CHECKS}::test_what_is_no_reason_to_stop"),
    (
        "L1",
        "collect/control.py",
        "self.progress.stale += now - self._received > STALE",
        "pass",
        f"{_CHECKS}::test_what_is_no_reason_to_stop",
    ),
    (
        "L2",
        "collect/control.py",
        "self._flags |= GAP if pace.gap else 0",
        "pass",
        f"{_CHECKS}::test_what_is_no_reason_to_stop",
    ),
    (
        "L12",
        "collect/control.py",
        "self._flags | (LATE if late > LATE_ROW else 0)",
        "self._flags",
        f"{_CHECKS}::test_a_loop_that_slept",
    ),
    (
        "L12",
        "collect/control.py",
        "        gc.disable()\n",
        "",
        f"{_CHECKS}::test_what_piles_up_is_not_collected_while_it_moves",
    ),
    (
        "S2",
        "collect/session.py",
        "    heed()\n",
        "",
        f"{_DEATHS}::test_s2_ctrl_c_counts_where_a_shell_has_it_ignored",
    ),
    (
        "S2",
        "collect/control.py",
        " or self._latched:\n",
        ":\n",
        f"{_DEATHS}::test_s2_after_damping_control_cannot_command",
    ),
    (
        "P14",
        "collect/motion.py",
        "        hear_guard_damp(link, others, page, str(options.place))\n",
        "",
        f"{_DEATHS}::test_a_session_whose_guard_is_mute_never_moves",
    ),
    (
        "P6",
        "collect/session.py",
        "    with claim(options.place, options.out, accepted):\n",
        "    if True:\n",
        f"{_DEATHS}::test_a_second_session_is_refused_and_the_first_goes_on",
    ),
    (
        "P11",
        "collect/session.py",
        "    check(plan)\n",
        "",
        f"{shlex.quote(_REFUSED + '[a plan beyond the limits]')}",
    ),
    (
        "P1",
        "collect/session.py",
        "check_computer(options.place.interface, target, len(plan) + SPARE, simulator=simulator)",
        "()",
        f"{shlex.quote(_REFUSED + '[no such interface]')}",
    ),
    (
        "S2",
        "collect/control.py",
        "            if self._stop is not None:\n",
        "            if False:\n",
        f"{_DEATHS}::test_s2_s4_a_signal_damps[SIGINT]",
    ),
    *(
        ("S4", "collect/interrupts.py", f", signal.{name}", "", f"{_DEATHS}::test_s2_s4_a_signal_damps[{name}]")
        for name in ("SIGTERM", "SIGHUP", "SIGQUIT")
    ),
    (
        "L12",
        "collect/control.py",
        "                    newest = state.record\n",
        "                    newest = state.record\n"
        "                    self._command(self.progress.row - self._base)\n",
        f"{_CHECKS}::test_a_loop_that_slept",
    ),
    (
        "L6",
        "collect/safety.py",
        "    for check in checks:\n",
        '    for check in checks:\n        if check.code == "L6":\n            continue\n',
        f"{_CHECKS} -k test_a_leg_that_is_driven_towards_its_stop",
    ),
    (
        "T",
        "collect/control.py",
        "        self.progress.rows += 1\n",
        '        self.progress.rows += 1\n        self.__dict__.setdefault("kept", []).append((now, late))\n',
        "tests/faults/test_endurance.py",
    ),
    (
        "T",
        "collect/control.py",
        "        self._journal.append()\n",
        "        if self.progress.rows != 30_000:\n            self._journal.append()\n",
        "tests/faults/test_endurance.py",
    ),
    (
        "S3",
        "collect/damping.py",
        "        if hurried() and now - start >= SHORTEST + PERIOD:  # the last message counts\n",
        "        if hurried():\n",
        f"{_DEATHS}::test_s3_an_impatient_operator_cuts_the_wait_but_not_the_damping",
    ),
    (
        "S4",
        "collect/motion.py",
        "    os.setsid()  # a signal of the terminal's goes to the guard, which passes it on\n",
        "",
        f"{_DEATHS}::test_s4_the_terminal_is_closed",
    ),
    (
        "S5",
        "collect/guard.py",
        '        return self._damp(status, f"control process {how}")\n',
        '        return Ending(status, f"control process {how}", True)\n',
        f"{_DEATHS} -k test_s5_control_is_killed",
    ),
    (
        "S5",
        "collect/guard.py",
        "        with suppress(ProcessLookupError):\n            signal.pidfd",
        "        if True:\n            signal.pidfd",
        f"{_DEATHS}::test_s5_ctrl_c_while_the_guard_damps",
    ),
    (
        "S5",
        "collect/motion.py",
        "    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)",
        "    pass",
        f"{_DEATHS} -k test_s5_control_crashes",
    ),
    (
        "S6",
        "collect/guard.py",
        "                    return self._hung(page.age)\n",
        "                    continue\n",
        f"{_DEATHS}::test_s6_control_is_stuck",
    ),
    (
        "S6",
        "collect/guard.py",
        "                if left <= 0.0:\n",
        "                left = max(left, 0.001)\n                if left <= 0.0:\n",
        f"{_DEATHS} -k test_s6_control_hangs",
    ),
    (
        "S6",
        "collect/guard.py",
        "        os.kill(self._control, signal.SIGKILL)  # it must not wake up and send a stiff frame\n",
        "",
        f"{_DEATHS} -k test_s6_control_hangs",
    ),
    (
        "S8",
        "collect/onboard.py",
        "            if not stiff or (now - heard <= silence and not latched):\n",
        "            if True:\n",
        f"{_DEATHS} -k test_s8_everything",
    ),
    ("S8", "collect/onboard.py", " and not latched", "", f"{_DEATHS} -k test_s8_everything"),
    (
        "S9",
        "collect/damping.py",
        "            still_since = None  # a silent robot is not known to be still\n",
        "            still_since = still_since or now\n",
        f"{_DEATHS}::test_s9_stopped_is_said_only_of_a_robot_that_was_seen_still",
    ),
    (
        "S10",
        "collect/sealing.py",
        "                left.ring.unlink(missing_ok=True)\n",
        "                pass\n",
        f"{_DEATHS} -k test_s8_everything",
    ),
    (
        "S1",
        "collect/control.py",
        "        still = damping.stream(\n",
        "        self._page.phase = Phase.DONE\n        return True\n        still = damping.stream(\n",
        f"{_DEATHS}::test_s1_a_whole_session_ends_in_damping",
    ),
)

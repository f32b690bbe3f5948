"""One mutant for each check of the preflight: the check removed, and the test that must turn red."""

_TABLE = "collect/safety.py"
_NEVER = "lambda s: None"
_FILE = "tests/test_preflight.py"
_SICK = f"{_FILE}::test_a_sick_robot_is_refused"
_CABLE = "tests/interop/test_cable.py"
_HOST = f"{_FILE}::TestComputer"
_VERDICTS = "collect/robot_verdicts.py"
_MOMENT = f"{_FILE} -k 'moment_is_seen"

MUTANTS = (
    ("P1", _TABLE, "host.interface,", f"{_NEVER},", f"{_HOST}::test_an_interface_that_is_none[enp9s0]"),
    ("P2", _TABLE, "robot.first_state,", f"{_NEVER},", f"{_SICK}[P2-contact-silent-60]"),
    ("P3", _TABLE, "robot.rate,", f"{_NEVER},", f"{_SICK}[P3-rate-thin-2-60]"),
    ("P3", _TABLE, "robot.corrupt,", f"{_NEVER},", f"{_SICK}[P3-CRC-corrupt-0.05-60]"),
    ("P3", _TABLE, "robot.clock,", f"{_NEVER},", f"{_SICK}[P3-clock-tick_freeze-60]"),
    ("P3", _VERDICTS, " and s.gap <= longest", "", f"{_MOMENT} and silent'"),
    ("P3", _VERDICTS, "    if not jump <= MAX_TICK_JUMP:\n", "    if False:\n", f"{_MOMENT} and jumps'"),
    ("P3", _VERDICTS, "len(steps) and steps.min() > 0", "len(steps)", f"{_MOMENT} and steps'"),
    ("P4", _TABLE, "robot.commands,", f"{_NEVER},", f"{_FILE}::TestSecondCommander::test_it_is_refused_by_name"),
    ("P5", _TABLE, "robot.service,", f"{_NEVER},", f"{_SICK}[P5-motion-service-select-ai]"),
    *(
        ("P5", _VERDICTS, "return s.trouble or", "return None and", f"{_SICK}[P5-motion-service-{fault}-60]")
        for fault in ("mute", "mumble-null")
    ),
    ("P5", "collect/switcher.py", "RELEASES, PATIENCE = 3,", "RELEASES, PATIENCE = 1,",
     f"{_FILE}::test_a_healthy_robot_is_found_ready"),
    ("P5", _TABLE, "robot.impostor,", f"{_NEVER},", f"{_FILE}::test_a_robot_that_is_called_a_simulator_is_refused"),
    ("P6", _TABLE, "host.rival,", f"{_NEVER},", f"{_FILE}::TestSingleInstance::test_of_two_at_once_one_proceeds"),
    ("P6", _TABLE, "host.journal,", f"{_NEVER},", f"{_FILE} -k until_it_has_been_silent"),
    ("P6", "collect/host_verdicts.py", "return log.serial == expected", "pass", f"{_FILE} -k of_another_robot"),
    ("P6", "collect/host_verdicts.py", 'log.place in ("", s.place)', "log.place == s.place", f"{_FILE} -k not_say"),
    ("P6", "collect/neighbours.py", "os.fstat(probe.fileno()).st_mtime", "0.0", f"{_FILE} -k clock_that_differs"),
    ("P7", _TABLE, "robot.numbers,", f"{_NEVER},", f"{_SICK}[P7-numbers-set-FR_hip.dq-1e9-60]"),
    ("P7", _VERDICTS, "if not finite.all():", "if False:", f"{_SICK}[P7-numbers-set-RL_calf.q-nan-60]"),
    ("P7", _VERDICTS, "None if np.isfinite(quaternions).all() else", "None and",
     f"{_SICK}[P7-numbers-set-imu_state.quaternion.0-nan-60]"),
    ("P7", _TABLE, "robot.zero,", f"{_NEVER},", f"{_SICK}[P7-zeros-set-FR_hip.q-0-60]"),
    ("P7", _TABLE, "robot.frozen,", f"{_NEVER},", f"{_SICK}[P7-freeze-freeze-60]"),
    ("P7", _TABLE, "robot.joints,", f"{_NEVER},", f"{_SICK}[P7-joints-set-motor_state.12.q-0.1-60]"),
    ("P8", _TABLE, "robot.posture,", f"{_NEVER},", f"{_SICK}[P8-posture-set-FR_calf.q--2.95-60]"),
    ("P8", _TABLE, "robot.speed,", f"{_NEVER},", f"{_SICK}[P8-speed-set-FL_thigh.dq--0.8-60]"),
    ("P9", _TABLE, "robot.temperature,", f"{_NEVER},", f"{_SICK}[P9-temperature-set-RR_hip.temperature-71-60]"),
    ("P9", _VERDICTS, "(temperature > 0) & ", "", f"{_SICK}[P9-temperature-set-FL_calf.temperature-0-60]"),
    ("P9", _VERDICTS, "charge >= MIN_CHARGE and ", "", f"{_SICK}[P9-battery-set-bms_state.soc-20-60]"),
    ("P9", _TABLE, "robot.battery,", f"{_NEVER},", f"{_SICK}[P9-battery-set-power_v-26.5-60]"),
    ("P9", _TABLE, "robot.lost,", f"{_NEVER},", f"{_SICK}[P9-motor-bus-ramp-RL_hip.lost-50-60]"),
    ("P9", _TABLE, "robot.mode,", f"{_NEVER},", f"{_SICK}[P9-motor-mode-set-FR_thigh.mode-0-60]"),
    ("P17", _TABLE, "robot.acceptance,", f"{_NEVER},", f"{_FILE}::test_a_robot_that_was_not_measured_is_refused"),
    ("P17", "collect/preflight.py", 'refuse(survey, where, "identity")', "pass", f"{_CABLE} -k firmware"),
    ("P10", _TABLE, "host.hanging,", f"{_NEVER},", f"{_FILE}::test_the_operator_must_say_that_it_hangs[yes]"),
    ("P10", _TABLE, "robot.tilt,", f"{_NEVER},", f"{_SICK}[P10-tilt-set-imu_state.rpy.1--0.5-60]"),
    ("P10", _TABLE, "robot.feet,", f"{_NEVER},", f"{_SICK}[P10-feet-set-foot_force.2-120-60]"),
    ("P13", _TABLE, "host.disk,", f"{_NEVER},", f"{_HOST}::test_a_name_that_is_taken[s.h5]"),
    ("P13", _TABLE, "host.room,", f"{_NEVER},", f"{_HOST}::test_a_disk_that_is_too_small"),
    ("P13", _TABLE, "host.sync,", f"{_NEVER},", f"{_HOST}::test_a_disk_that_is_too_slow"),
    ("P11", "collect/plan.py", "*_excesses(plan, plan.q_target,", "*_excesses(plan, 0 * plan.q_target - 1,",
     "tests/test_plan.py -k would_not_send"),
    ("P11", "collect/plan.py", "    if excesses:\n", "    if False:\n", "tests/test_plan.py -k predicted_excess"),
    ("P12", "collect/config.py", "    if mistakes:\n", "    if False:\n", "tests/test_config.py -k mistake"),
    ("P12", "collect/config.py", "        _partly(", "        0 and _partly(", "tests/test_config.py -k judged"),
    ("P14", _TABLE, "host.guard,", f"{_NEVER},", f"{_FILE}::test_without_its_guard_control_refuses"),
    ("P15", _TABLE, "robot.late,", f"{_NEVER},", f"{_FILE}::test_a_loop_that_is_held_up_is_refused"),
    ("P15", _TABLE, "robot.late,", f"{_NEVER},", f"{_FILE}::test_a_loop_on_a_busy_computer_is_refused"),
    ("P16", _TABLE, "host.aborting,", f"{_NEVER},", f"{_HOST}::test_versions_that_abort"),
    ("P16", _TABLE, "host.untested,", f"{_NEVER},", f"{_HOST}::test_what_is_worth_a_note"),
    ("P16", _TABLE, "host.python,", f"{_NEVER},", f"{_HOST}::test_what_is_worth_a_note"),
    ("P16", _TABLE, "host.clock_of_ours,", f"{_NEVER},", f"{_HOST}::test_what_is_worth_a_note"),
)  # fmt: skip
"""Promise, file, its text, what replaces it, test."""

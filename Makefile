# make demo | make test | make check | make bench | make reach | make faults | make cable | make clean
# Everything runs from the checkout in .venv, or .venv-0.10; nothing is installed outside them.

VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
VENV_0_10 := .venv-0.10
# The first Python 3.11 to 3.13 that really runs; override with `make PYTHON=/path/to/python3`.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)

.PHONY: demo test check lint fast bench reach faults cable install install-0.10 clean

demo: install
	$(RUN) -m deploy.demo

# These can meet their robot at the other end of a network cable, between two network namespaces, too (tests/place.py).
SESSIONS := tests/faults/test_checks.py tests/faults/test_deaths.py tests/test_preflight.py tests/test_session.py \
	tests/test_accept.py tests/test_console.py tests/test_live.py tests/test_trajectory.py tests/test_end_to_end.py

# What takes long shares the two cores, file by file; what moves a robot or is judged by its speed then runs alone.
test: check install-0.10
	OMP_NUM_THREADS=1 $(RUN) -m pytest tests -n 2 --dist loadfile -m "slow and not dds and not timed"
	$(RUN) -m pytest tests -m "(dds or timed) and not long"
	CABLE=1 $(RUN) -m pytest $(SESSIONS) -m cable

# Our loop against a bare one of the SDK's, our training against the usual one: ratios in one run.
bench: install
	$(RUN) -m pytest tests/benchmarks -s

# How near everything comes to what the virtual Go2 hides: sessions, two trainings and a fit, a quarter of an hour.
reach: install
	REACH=full $(RUN) -m pytest tests/benchmarks/test_reach.py -s

# All counts of the fault suite, all mutants, and the table docs/faults.md; an hour and a half on a quiet machine.
faults: install
	$(RUN) tests/faults/report.py

# Every fault of a session, preflight, acceptance and the pipeline over a network cable; a quarter of an hour. Skipped
# without the right to lay one.
cable: install
	CABLE=1 $(RUN) -m pytest $(SESSIONS)

# Lint and types beside the tests that need neither DDS nor minutes.
check: install
	@$(MAKE) --no-print-directory -j2 lint fast

lint:
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

fast:
	$(RUN) -m pytest tests -q -m "not dds and not slow and not timed"

install: $(INSTALLED)

# The SDK goes without its dependencies: it would bring OpenCV. Isaac Lab's classes are for the tests and go without
# theirs: Isaac Sim. Only our metadata is installed, not our folders.
$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 to 3.13 found; install one or use make PYTHON=..." >&2; exit 2; }
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt ".[dev]"
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt \
		unitree-sdk2py-dimos "isaaclab; python_version == '3.11' and platform_machine == 'x86_64'"
	@rm -rf build *.egg-info
	@touch $@

# A second environment with Cyclone DDS 0.10, the robots' own, for tests/interop: what `collect run` needs, no more.
# Its only wheels of 0.10 for Python 3.11 and later are for Linux on x86-64; elsewhere those tests are skipped.
install-0.10: $(VENV_0_10)/.installed

$(VENV_0_10)/.installed: pyproject.toml constraints.txt | $(INSTALLED)
	test -x $(VENV_0_10)/bin/python || $(PYTHON) -m venv $(VENV_0_10)
	$(VENV_0_10)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt numpy h5py pyyaml tyro \
		rich "tensor-ipc-cyclonedds; platform_system == 'Linux' and platform_machine == 'x86_64'"
	$(VENV_0_10)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt \
		unitree-sdk2py-dimos
	@touch $@

clean:
	rm -rf $(VENV) $(VENV_0_10) demo build *.egg-info

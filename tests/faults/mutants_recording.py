"""Each check and each means that keeps rows safe, taken away: (promise, file, text, replacement, test)."""

_JOURNAL, _SALVAGE, _SEALING = "collect/journal.py", "collect/salvage.py", "collect/sealing.py"
_DURABLE, _RECORDING, _VERBS = "collect/durable.py", "collect/recording.py", "collect/verbs/recordings.py"
_UNCLOSED, _INSPECTION, _APART = "collect/unclosed.py", "collect/inspection.py", "collect/apart.py"
_ROWS, _POWER = "tests/faults/test_recording_faults.py", "tests/faults/test_power_cut.py"
_SEAL, _FILES, _UNIT = (
    "tests/faults/test_sealing_faults.py",
    "tests/faults/test_recording_integrity.py",
    "tests/test_journal.py",
)
_KILLED = f"{_SEAL}::test_a_seal_killed_anywhere_leaves_all_or_nothing"
_REFUSED = f"{_SEAL}::test_a_disk_that_refuses_the_recording_costs_nothing"
_ORDER = f"{_SEAL}::test_what_gets_a_name_is_on_the_disk_before"
_REFUSING = f"{_ROWS}::test_a_disk_that_refuses_costs_no_row"
_FLIPPED, _CUT = f"{_ROWS}::test_no_flipped_bit_passes", f"{_ROWS}::test_a_journal_cut_short_gives_its_prefix"
_LIVE = "tests/faults/test_unclosed.py"
_LIVE_TOLD = f"{_LIVE}::test_the_verb_says_what_it_recovered"
_STRANGER = f"{_LIVE}::test_a_strangers_file_is_refused_before_its_data_is_read"
_FOUND = f"{_FILES}::test_a_flipped_bit_in_a_recording_is_found"
_OVERWRITTEN = f"{_FILES}::test_nothing_is_overwritten"
_CRC = '        good[k] = zlib.crc32(rows[k].tobytes()[:-4], salt) == rows["crc"][k]\n'
_FDATASYNC = "            os.fdatasync(self._file)\n"

MUTANTS = (
    # rows in memory that outlives the process
    (
        "D1",
        _JOURNAL,
        "ring = mmap.mmap(memory, size)",
        "ring = mmap.mmap(-1, size)",
        f"{_ROWS}::test_rows_survive_sigkill",
    ),
    ("D1", _SALVAGE, "table[at], intact[at] = fresh, True", "del at", f"{_ROWS}::test_rows_survive_sigkill"),
    # the disk has confirmed them
    ("D2", _JOURNAL, _FDATASYNC, "", f"{_POWER}::test_a_power_cut_costs_a_second_at_most"),
    ("D2", _JOURNAL, _FDATASYNC, "", f"{_POWER}::test_a_power_cut_on_a_real_file_system"),
    ("D2", _JOURNAL, "INTERVAL = 0.5", "INTERVAL = 5.0", f"{_POWER}::test_a_power_cut_costs_a_second_at_most"),
    ("D2", _SALVAGE, _CRC, "        good[k] = True\n", f"{_POWER}::test_a_power_cut_costs_a_second_at_most"),
    ("D2", _JOURNAL, "            os.fsync(file)\n", "", f"{_POWER}::test_a_journal_is_durable_before_its_first_row"),
    (
        "D2",
        _JOURNAL,
        "            sync_folder(where.parent)\n",
        "",
        f"{_POWER}::test_a_journal_is_durable_before_its_first_row",
    ),
    (
        "D2",
        _JOURNAL,
        "            sync_folder(where.parent.parent)",
        "            pass",
        f"{_POWER}::test_a_journal_is_durable_before_its_first_row",
    ),
    # holes are flagged, damage is told
    (
        "D3",
        _SALVAGE,
        '    rows["flags"][np.diff(rows["number"].astype(np.int64), prepend=0) > 1] |= GAP\n',
        "",
        f"{_ROWS}::test_no_row_is_invented",
    ),
    (
        "D3",
        _SEALING,
        "rows = salvage.flag_gaps(left.rows[whole])",
        "rows = salvage.flag_gaps(left.rows)",
        f"{_ROWS}::test_a_number_that_is_not_finite_costs_its_row",
    ),
    ("D3", _SEALING, "        if sealed.complete:\n", "        if True:\n", f"{_ROWS}::test_no_row_is_invented"),
    # a recording is whole or absent
    (
        "D5",
        _SEALING,
        "            write(made, target, journal)\n",
        "            journal.unlink()\n            write(made, target, journal)\n",
        _KILLED,
    ),
    (
        "D5",
        _DURABLE,
        "    part = _write_part(path, content)\n",
        "    path.write_bytes(content[:99])\n    part = _write_part(path, content)\n    path.unlink()\n",
        _KILLED,
    ),
    ("D5", _DURABLE, "    sweep(path)\n", "", _KILLED),
    ("D5", _SEALING, "    sweep(target)\n", "", _KILLED),
    ("D5", _SEALING, "    if made.attributes.get(mark) != source:\n", "    if True:\n", _KILLED),
    ("D5", _SEALING, "    if not sidecar_of(target).exists():\n", "    if False:\n", _KILLED),
    (
        "D5",
        _SEALING,
        "    if made.attributes.get(mark) != source:\n",
        "    if False:\n",
        f"{_SEAL}::test_a_recording_of_another_session_is_not_taken_for_ours",
    ),
    ("D5", _DURABLE, "        os.fsync(file)\n", "", _ORDER),
    ("D5", _DURABLE, "    sync_folder(path.parent)\n", "", _ORDER),
    (
        "D5",
        _DURABLE,
        "        if digest != hashlib.sha256(content).hexdigest():\n",
        "        if False:\n",
        f"{_SEAL}::test_a_disk_that_keeps_something_else_is_found_out",
    ),
    (
        "D5",
        _DURABLE,
        "        prove(part)\n",
        "",
        f"{_SEAL}::test_what_is_read_back_must_be_what_was_recorded",
    ),
    ("D5", _RECORDING, "if not words or words[0] != sha256_of(path):", "if False:", _FOUND),
    ("D5", _RECORDING, "    if recording.content_sha256() != content:\n", "    if False:\n", _FOUND),
    (
        "D5",
        _RECORDING,
        "fletcher32=rows > 0",
        "fletcher32=False",
        "tests/test_recording.py::test_the_file_describes_itself",
    ),
    # damage costs what it hit, and is told
    ("D6", _SALVAGE, _CRC, "        good[k] = True\n", _FLIPPED),
    ("D6", _SALVAGE, " or _text(file, HEADER_MAGIC, size - BLOCK.size, before=True)", "", _FLIPPED),
    ("D6", _SALVAGE, "for place in left.layout.outcomes]", "for place in left.layout.outcomes[:1]]", _FLIPPED),
    ("D6", _SALVAGE, "lost=np.flatnonzero(logged & ~intact) + 1", "lost=np.zeros(0, int)", _FLIPPED),
    ("D6", _SALVAGE, "cut=ended is None and left.size < left.layout.size", "cut=False", _CUT),
    (
        "D6",
        _SALVAGE,
        '(rows["number"] == numbers) & ',
        "",
        f"{_UNIT}::test_rows_in_each_others_place_are_not_believed",
    ),
    (
        "D6",
        _JOURNAL,
        "    return zlib.crc32(header)\n",
        "    return 0\n",
        f"{_UNIT}::test_rows_of_another_journal_are_not_believed",
    ),
    (
        "D6",
        _SALVAGE,
        "            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            pass\n",
        f"{_UNIT}::test_a_running_session_cannot_be_recovered",
    ),
    (
        "D6",
        _VERBS,
        "            codes.add(1)\n",
        "            codes.add(0)\n",
        f"{_SEAL}::test_recover_says_what_it_recovered",
    ),
    (
        "D6",
        _VERBS,
        "        codes.add(0 if sealed.complete else 3)\n",
        "        codes.add(0)\n",
        f"{_SEAL}::test_recover_says_what_it_recovered",
    ),
    # files of others
    (
        "D7",
        _RECORDING,
        "_unclosed(path, str(error)) or ",
        "",
        f"{_FILES}::test_a_file_that_was_not_closed_is_refused_and_left_alone",
    ),
    (
        "D7",
        _INSPECTION,
        '    if closed and "content_sha256" not in file.attrs:\n',
        "    if False:\n",
        f"{_LIVE}::test_flushed_rows_of_a_killed_writer_are_recovered[default]",
    ),
    (
        "D7",
        _UNCLOSED,
        'h5py.File(copy, "r", swmr=True)',
        'h5py.File(copy, "r")',
        f"{_LIVE}::test_flushed_rows_of_a_killed_writer_are_recovered[swmr]",
    ),
    ("D7", _UNCLOSED, "byte_offset is None", "byte_offset == -1", f"{_LIVE} -k between_any_two_writes"),
    ("D7", _UNCLOSED, "if dataset.id.get_storage_size() else", "if True else", f"{_LIVE} -k room"),
    ("D7", _UNCLOSED, 'np.diff(rows["time"]) > 0.0', 'np.diff(rows["time"]) > -1.0', f"{_LIVE} -k room"),
    ("D7", _UNCLOSED, "        except OSError:  # its", "        except KeyError:  # its", f"{_LIVE} -k checksum"),
    ("D7", _UNCLOSED, "rows[whole]", "rows", f"{_LIVE} -k not_finite"),
    ("D7", _UNCLOSED, "        rows[name] = np.nan\n", "        pass\n", f"{_LIVE} -k not_finite"),
    ("D7", _UNCLOSED, "    if declared > len(rows):\n", "    if False:\n", _LIVE_TOLD),
    ("D7", _UNCLOSED, 'if "content_sha256" in file.attrs:', "if False:", _LIVE_TOLD),
    ("D7", _UNCLOSED, "if _is_locked(source.fileno()):", "if False:", f"{_LIVE} -k in_peace"),
    ("D7", _UNCLOSED, "        if sha256_of(path) != digest:", "        if False:", f"{_LIVE} -k changes_while"),
    ("D7", _UNCLOSED, "        copy.unlink(missing_ok=True)\n", "        pass\n", f"{_LIVE} -k plainly"),
    ("D7", _UNCLOSED, "        if not os.path.lexists(target):\n", "        if True:\n", f"{_LIVE} -k killed_anywhere"),
    ("D7", _UNCLOSED, "        sweep(target)\n", "", f"{_LIVE} -k nothing_is_overwritten"),
    ("D7", _UNCLOSED, "    check_structure(file, path, closed=False)\n", "", f"{_STRANGER}[stranger]"),
    (
        "D7",
        _UNCLOSED,
        'attributes.get("joint_names", list(NAMES)) != ',
        "list(NAMES) != ",
        f"'{_STRANGER}[other joints]'",
    ),
    ("D7", _APART, "            _limit()\n", "", "tests/test_apart.py -k memory"),
    # bad disks
    (
        "D8",
        _DURABLE,
        "os.posix_fallocate(file, 0, size)",
        "os.ftruncate(file, size)",
        f"{_ROWS}::test_a_full_disk_is_a_refusal_before_motion",
    ),
    (
        "D8",
        _JOURNAL,
        "        self._count = count + 1\n",
        "        self._count = count + 1\n        self._save()\n",
        f"{_ROWS}::test_motion_does_not_wait_for_a_disk_that_stands_still",
    ),
    (
        "D8",
        _JOURNAL,
        "        self._count = count + 1\n",
        "        self._count = count + 1\n        self._save()\n",
        f"{_ROWS}::test_a_slow_disk_is_seen_and_not_felt",
    ),
    (
        "D8",
        _JOURNAL,
        "return time.monotonic() - self._safe_since",
        "return 0.0",
        f"{_ROWS}::test_a_slow_disk_is_seen_and_not_felt",
    ),
    ("D8", _JOURNAL, "            self.failure = str(error)\n", "", _REFUSING),
    ("D8", _JOURNAL, _FDATASYNC, "            self.safe = count\n" + _FDATASYNC, _REFUSING),
    ("D8", _JOURNAL, "        if self.safe == self._count and self._outcome_safe:\n", "        if True:\n", _REFUSING),
    ("D8", _JOURNAL, " or count - self.safe >= self._slots", "", f"{_UNIT}::test_memory_is_a_ring"),
    (
        "D8",
        _JOURNAL,
        "self._carrier.join(PATIENCE)",
        "self._carrier.join()",
        f"{_UNIT}::test_closing_does_not_wait_for_ever",
    ),
    ("D8", _DURABLE, "        part.unlink()\n", "        pass\n", _REFUSED),
    (
        "D8",
        _DURABLE,
        "        part.replace(sidecar)\n    finally:\n",
        "        part.replace(sidecar)\n    except ValueError:\n",
        _REFUSED,
    ),
    # names
    (
        "D9",
        _RECORDING,
        'r"[a-z0-9][a-z0-9_-]{0,63}"',
        'r"(?s).*"',
        f"{_FILES}::test_names_stay_in_their_folder",
    ),
    ("D9", _RECORDING, "re.fullmatch", "re.match", f"{_FILES}::test_names_stay_in_their_folder"),
    ("D9", _DURABLE, "if os.path.lexists(path):", "if path.exists():", _OVERWRITTEN),
    (
        "D9",
        _DURABLE,
        "        refuse_existing(path)\n        part.rename(path)",
        "        part.rename(path)",
        _OVERWRITTEN,
    ),
    (
        "D9",
        _DURABLE,
        "os.O_EXCL | os.O_NOFOLLOW | ",
        "",
        f"{_UNIT}::test_an_existing_journal_is_never_overwritten",
    ),
    # provenance
    (
        "D10",
        _SEALING,
        'attributes=header["attributes"] | attributes',
        "attributes=attributes",
        f"{_FILES}::test_a_recording_says_where_it_comes_from",
    ),
    (
        "D10",
        _SEALING,
        "as_recording(left.header, rows, ended | own)",
        "as_recording(left.header, rows, own)",
        f"{_FILES}::test_a_recording_says_where_it_comes_from",
    ),
)

"""Move a hung Go2 through chirps over DDS and record what its motors really do."""

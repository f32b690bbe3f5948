"""The virtual Go2: a process of its own that a Go2 client cannot tell from the robot."""

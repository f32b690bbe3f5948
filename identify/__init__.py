"""Recordings to actuator nets, proven by open-loop replay."""

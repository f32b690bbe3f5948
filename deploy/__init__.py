"""Hand trained actuator nets to the simulators, with a manifest and a proof."""

"""The verbs of `python -m collect`, one function each."""

"""What `python -m identify` can be told to do."""

"""Every number that README, lesson and docstrings quote, computed again from the data that are kept with them."""

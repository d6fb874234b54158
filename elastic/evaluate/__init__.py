"""The evaluation: many methods, many budgets, the same work. A program above the science, run by `__main__`."""

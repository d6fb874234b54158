"""Pictures for a lecture, one for each family of methods, each drawn from real runs of pocket-llava.

`python -m benchmarks.printed --out FOLDER` writes them. Of the methods that drop or merge, which are the most,
`benchmarks.kept` is the picture.
"""

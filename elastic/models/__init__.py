"""Models: their files and processors, and one token at a time through their text model."""

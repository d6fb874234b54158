"""Records: traces and runs, the files they are kept in, and the messages a view is sent."""

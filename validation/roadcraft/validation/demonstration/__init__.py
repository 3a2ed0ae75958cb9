"""The demo, and long work as commands that can be resumed."""

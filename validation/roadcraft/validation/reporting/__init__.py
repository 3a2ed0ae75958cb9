"""The report: one self-contained HTML page of tables and replays, made from finished runs."""

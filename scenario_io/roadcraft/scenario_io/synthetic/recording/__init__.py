"""From a played situation to a drive: record, tags, and the check that decides whether it is kept."""

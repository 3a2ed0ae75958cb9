"""How a truck is driven: courses, speeds, steering, docking; and how a drive is judged."""

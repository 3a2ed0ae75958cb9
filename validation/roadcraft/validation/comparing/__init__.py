"""Two runs compared: differences of configuration, paired figures, verdict, table, JUnit."""

"""Traffic of made-up worlds in steps of 50 ms, and what its drivers look at."""

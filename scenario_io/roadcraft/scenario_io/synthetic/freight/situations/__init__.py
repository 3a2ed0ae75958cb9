"""The situations of freight traffic, as they are set up."""

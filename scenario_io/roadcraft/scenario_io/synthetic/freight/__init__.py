"""Worlds for trucks: situations of freight traffic, experts who drive them, and drivers who make the usual mistake."""

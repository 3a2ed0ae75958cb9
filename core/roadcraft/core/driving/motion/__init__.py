"""How vehicles move and are controlled: kinematic bicycle, LQR tracker, intelligent driver model, smoothing filters."""

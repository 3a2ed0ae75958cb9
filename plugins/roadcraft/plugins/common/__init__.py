"""What several encoders and models share. Private to this room."""

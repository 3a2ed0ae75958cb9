"""The planner ``freight_pdm``: PDM for heavy and articulated vehicles."""

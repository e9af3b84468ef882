"""Single values as catalogues publish them, each made what a portal keeps: moments, formats, areas, frequencies."""

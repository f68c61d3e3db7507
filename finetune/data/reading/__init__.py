"""Sources -> rows with their places: kinds of files, packing, encodings, limits. Knows nothing of conversations."""

"""Rows that say the same as others, exactly or nearly: within the training rows, and across the split."""

"""Rows -> conversations: which layout a file has, and each of its rows as turns."""

"""The frozen audience of a campaign and what became of each person."""

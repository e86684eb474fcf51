"""What became of many texts of a campaign, written together."""

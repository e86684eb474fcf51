"""What is heard about single messages: the same rows as for campaigns, other records."""

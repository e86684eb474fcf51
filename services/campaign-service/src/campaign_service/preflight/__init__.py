"""The usual mistakes, looked for before a campaign is sent."""

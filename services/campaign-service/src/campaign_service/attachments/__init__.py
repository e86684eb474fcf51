"""Files that mails carry."""

"""What the outside says about our mails: PowerMTA and MailWizz rows, each applied once."""

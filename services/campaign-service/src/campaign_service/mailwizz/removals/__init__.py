"""Taking people off the lists of campaigns that MailWizz sends."""

"""What MailWizz tells only those who ask: deliveries, bounces, complaints and unsubscribes."""

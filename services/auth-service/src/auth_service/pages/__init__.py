"""Pages that links in mails open. They show a form; only its POST acts, so mail scanners change nothing."""

"""Takes webhooks in: verified, stored with their outbox event in one statement, answered after commit."""

"""Opens, clicks and unsubscribes of the people we wrote to."""

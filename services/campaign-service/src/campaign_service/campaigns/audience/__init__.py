"""Who a campaign goes to: counted, sampled, and frozen at the start."""

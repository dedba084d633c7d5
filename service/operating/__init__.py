"""What an operator asks: records, health, what is wrong with a setup, DNS to publish."""

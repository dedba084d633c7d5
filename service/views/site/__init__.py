"""What every page shares: forms, languages, errors, headers, who is signed in."""

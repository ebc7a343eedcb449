"""What is done beside the requests: expiry, and the counts that the search plans with."""

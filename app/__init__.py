"""The job finder service: accounts, sessions and users over REST, with final logout."""

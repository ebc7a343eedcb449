"""This checkout beside an earlier commit of itself: what a change costs a request."""

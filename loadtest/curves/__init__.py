"""`make curves`: what each part costs as it grows, where it gives out, and what then."""

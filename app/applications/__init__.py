"""Applications: candidates apply for jobs, and members of the company move them from stage to stage."""

"""The one compiled query: parameters are parsed, validated, normalised and turned into SQL here and nowhere else."""

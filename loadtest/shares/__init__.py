"""Compares shares by demand with equal shares of one connection budget, on local PgBouncers."""

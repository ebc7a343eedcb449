"""Shares by demand against equal shares of one connection budget, on local PgBouncers."""

"""Blocks of networks that papers share."""

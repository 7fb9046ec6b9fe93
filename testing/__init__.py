"""Assertions about SAEs for test suites: what was missed, and how floor and ceiling stand."""

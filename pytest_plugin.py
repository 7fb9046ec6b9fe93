"""Fixtures, options and markers for pytest suites that check SAEs against known features."""

"""The command that draws the papers' figures from results at hand."""

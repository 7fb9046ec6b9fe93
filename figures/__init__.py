"""The main figures of the papers this project carries on from, drawn from results at hand."""

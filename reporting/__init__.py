"""The report page: one self-contained HTML file about one result or hundreds."""

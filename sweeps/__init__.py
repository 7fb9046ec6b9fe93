"""Many dictionaries on many testbeds: planned, run on one machine or a cluster, stopped and gone on with."""

"""Stand-ins of vendors to develop and test against: processes of their own, honest until told otherwise."""

"""The page Preview: which layers are switched off, what that costs, the search for better sets, what they write."""

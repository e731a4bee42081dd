"""Models that a notebook gets or writes: trained after a cut, in four bits, and as drafts."""

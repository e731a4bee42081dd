"""What all pages share: entry and server, address and session, reads and estimates, tables and parts."""
